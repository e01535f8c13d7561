"""How far what an artifact answers lies from what PyTorch answers."""
