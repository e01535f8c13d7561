"""What an RGB-D recording and a clip of one are: what preprocessing, training, export and the service share."""
