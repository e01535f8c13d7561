"""Rendered RGB-D recordings in the NTU RGB+D layout, with ground truth; see `python -m preprocess.synthetic --help`."""
