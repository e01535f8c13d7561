"""What stands around every request: id, log line, access control, limits to the body, and how errors are answered."""
