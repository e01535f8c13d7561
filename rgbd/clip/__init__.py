"""What a network takes: which frames of a recording, and what is done to each."""
