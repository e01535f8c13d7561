"""Recordings as they come from a camera or a data set: their files, their streams, their times."""
