"""Answers in process: a bundle and a recording in, what the recording shows out. Deployed with the service."""
