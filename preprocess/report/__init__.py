"""One page about a processed data set, to look at before training."""
