"""From raw RGB-D recordings to a processed data set: cropped frames, split files, a record of every clip."""
