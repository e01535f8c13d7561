"""Programs that talk to the service over HTTP, and to nothing else of ours."""
