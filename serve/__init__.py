"""An HTTP service that says what motion an uploaded RGB-D clip shows."""
