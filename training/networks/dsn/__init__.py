"""The decoupled and recoupled networks of CVPR 2022: one stream, or two of them fused."""
