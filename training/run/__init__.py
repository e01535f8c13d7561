"""One training run: steps, evaluation, checkpoints, and what a person sees of it."""
