"""What a training run depends on: its sections, from YAML and from the published files."""
