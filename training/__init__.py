"""Training and evaluation of one stream (RGB or depth) and of their fusion."""
