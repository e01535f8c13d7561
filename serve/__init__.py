"""The HTTP service: which motion an uploaded RGB-D recording shows."""
