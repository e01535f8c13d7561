"""Commands about one recording: what is in its files, and another file of it."""
