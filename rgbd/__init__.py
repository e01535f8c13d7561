"""What an RGB-D recording and a clip are: shared by preprocessing, training, export and the service."""
