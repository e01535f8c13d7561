"""The service's addresses."""
