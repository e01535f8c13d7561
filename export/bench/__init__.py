"""How fast artifacts are, side by side, and where their time goes."""
