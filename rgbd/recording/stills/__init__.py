"""Frames as image files, one each, in a folder or a zip: their formats and their numbers."""
