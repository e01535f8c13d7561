"""Training and evaluation of networks for one stream (RGB or depth) and for both."""
