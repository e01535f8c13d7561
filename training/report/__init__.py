"""One HTML page about a training run: its course, its mistakes, and what the network looks at."""
