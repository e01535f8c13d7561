"""Raw RGB-D recordings in; cropped frames, split files and a record of what was done out."""
