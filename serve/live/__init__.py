"""Live streams over WebSockets: what is said, by whom frames are decoded, and how many there may be."""
