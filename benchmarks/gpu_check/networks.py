"""What is checked: published networks on a GPU; on the CPU, where the check itself is tried, tiny ones."""

from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.support.published import published, untuned
from export.bundle.seeded_clips import seeded_inputs
from rgbd.types import Modality
from training.config.schema import TrainingConfig
from training.run.checkpoint import build_network

NAMES = tuple(f"class {number}" for number in range(60))
TINY_CLIP = {"num_frames": 8, "resize": (64, 48), "crop": 48, "size": 32}
TINY: dict[str, dict[str, Any]] = {
    "dsn": {"width": 0.125, "branch_frames": (2, 4, 6), "num_blocks": 1, "num_heads": 4, "guidance_window": 3},
    "umdr": {"width": 0.125, "num_blocks": 3, "num_heads": 4},
}


def config_of(device: str, family: str, modality: Modality, **compute: object) -> TrainingConfig:
    """Return the configuration of a network that the device is checked with."""
    if device == "cuda":
        return published(family, modality, compute=compute)
    return untuned(modality, TINY_CLIP, {"name": family, **TINY[family]}, compute)


def seeded_network(config: TrainingConfig) -> nn.Module:
    """Return a network whose weights are the same each time, on the CPU."""
    torch.manual_seed(0)
    return build_network(config, len(NAMES))


def seeded_clips(config: TrainingConfig, batch: int) -> tuple[Tensor, ...]:
    """Return uint8 [batch, T, H, W, 3] of each stream, on the CPU."""
    return tuple(torch.from_numpy(clip) for clip in seeded_inputs(config.modalities, config.clip, batch).values())


def use_tf32(on: bool) -> None:
    """Let products and convolutions of float32 on a GPU keep 10 binary digits of their factors, or all 23."""
    torch.backends.cuda.matmul.allow_tf32 = on
    torch.backends.cudnn.allow_tf32 = on
