"""Streams without end, and long recordings: windows slide over them, and what they show becomes events."""
