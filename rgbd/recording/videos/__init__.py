"""Videos: what is in a container, what is missing in it, and what cameras attach to it."""
