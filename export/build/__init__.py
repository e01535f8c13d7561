"""A checkpoint -> the files of a bundle."""
