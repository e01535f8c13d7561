"""Untrusted files: the processes that decode them, and what comes back from there."""
