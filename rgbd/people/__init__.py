"""Where the people of a recording are: masks of depth, and boxes to crop to."""
