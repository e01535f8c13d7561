"""Processed clips -> batches: split files, augmentation, loader processes."""
