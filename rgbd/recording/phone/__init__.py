"""What apps of phones record: colour and depth of one lens."""
