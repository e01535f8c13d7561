"""Where a camera sees what: lines of sight of its pixels, and depth pixels laid over colour."""
