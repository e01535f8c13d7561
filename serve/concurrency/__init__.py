"""Threads, tasks, and the workers that are started again when they fail."""
