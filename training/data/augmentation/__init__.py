"""What is random in training clips: a list of augmentations for each stage, each with random numbers of its own."""
