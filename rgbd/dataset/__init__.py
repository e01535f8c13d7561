"""The processed data set: where frames, lists, names and records lie, written and read."""
