"""A checkpoint in; a bundle that any of the runtimes can serve out."""
