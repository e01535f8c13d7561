"""Programs that talk to the service over HTTP, and import nothing of the other packages."""
