"""Where the golden numbers are repeated: on the CPU, but by `make gpu-check`."""

import os

import torch

DEVICE = os.environ.get("RGBD_MOTION_GOLDENS_DEVICE", "cpu")

# Products in float32 keep all of their digits: convolutions on a GPU drop more than half of them by default.
torch.backends.cudnn.allow_tf32 = False
