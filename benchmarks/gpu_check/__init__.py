"""What the project does on one NVIDIA GPU, checked and measured section by section; docs/gpu.md says how to read it."""
