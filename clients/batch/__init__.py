"""All recordings below a folder, and the table of their answers."""
