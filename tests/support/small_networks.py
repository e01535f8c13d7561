"""Small networks of both families whose batch norms and guidance have values, and clips for them."""

import torch
from torch import nn

from export.bundle.seeded_clips import seeded_inputs
from rgbd.clip.spec import ClipSpec

SMALL = {"width": 0.125, "branch_frames": (2, 4, 6), "num_blocks": 2, "num_heads": 4, "guidance_window": 3}
SMALL_UMDR = {"name": "umdr", "width": 0.125, "num_blocks": 3, "num_heads": 4}
STREAMS = ("rgb", "depth")


def clip(size: int, num_frames: int = 8, batch: int = 2) -> tuple[torch.Tensor, ...]:
    inputs = seeded_inputs(STREAMS, ClipSpec(num_frames=num_frames, crop=64, size=size), batch)
    return tuple(torch.from_numpy(stream) for stream in inputs.values())


def trained(network: nn.Module) -> nn.Module:
    """Give batch norms and guidance values as training does, or folding them would change nothing."""
    generator = torch.Generator().manual_seed(1)
    for name, value in network.state_dict().items():
        if name.endswith(("running_mean", "running_var", "norm.weight", "norm.bias", "guidance_weights")):
            value.copy_(torch.rand(value.shape, generator=generator) + 0.2)
    return network.eval()
