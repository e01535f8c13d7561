"""Models and the way of a clip through them: which are loaded, who is let in, what is computed together."""
