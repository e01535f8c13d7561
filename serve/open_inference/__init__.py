"""The Open Inference Protocol: its messages, and the tensors in them."""
