"""The network of one stream: frames -> recoupled spatial features -> three temporal branches -> class scores."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from training.networks.dsn.guidance import normalise
from training.networks.dsn.temporal import BRANCHES
from training.networks.umdr.config import NetworkConfig
from training.networks.umdr.spatial import SpatialNet
from training.networks.umdr.temporal import temporal_net


class UnimodalOutput(NamedTuple):
    """Class scores [B, N] of the fused head and of each branch; both sides of the distillation, [B, dim] for each of
    three depths; and what a fusion takes: features [B, T, dim] and the mean class token [B, dim]."""

    logits: Tensor
    small: Tensor
    medium: Tensor
    large: Tensor
    students: tuple[Tensor, ...]
    teachers: tuple[Tensor, ...]
    features: Tensor
    token: Tensor

    def heads(self) -> dict[str, Tensor]:
        """Every head's scores [B, N] under the names that an exported graph gives them; the answer is `logits`."""
        return {
            "logits": self.logits,
            "logits_small": self.small,
            "logits_medium": self.medium,
            "logits_large": self.large,
        }


class Normalise(nn.Module):
    """Pixel values as networks take them."""

    def forward(self, frames: Tensor) -> Tensor:
        """Uint8 [B, T, H, W, 3] -> float [B, T, 3, H, W] about in [-1, 1]."""
        return normalise(frames)


class UnimodalNet(nn.Module):
    """One stream, RGB or depth ("DSNV2"). Source: docs/method.md, "The second family"."""

    tau: Tensor

    def __init__(self, config: NetworkConfig, num_classes: int, num_frames: int) -> None:
        super().__init__()
        self.normalise = Normalise()
        self.spatial = SpatialNet(num_frames, config.width, config.dim, config.batchnorm_momentum)
        self.temporal = temporal_net(config, num_frames)
        self.heads = nn.ModuleDict(
            {name: nn.Sequential(nn.LayerNorm(config.dim), nn.Linear(config.dim, num_classes)) for name in BRANCHES}
        )
        # Divides every head's scores; a schedule sets it, and a fusion keeps that of the epoch its streams come from.
        self.register_buffer("tau", torch.ones(()))

    def forward(self, frames: Tensor, rng: np.random.Generator | None = None) -> UnimodalOutput:
        """Uint8 frames [B, T, H, W, 3] -> class scores; `rng` draws each branch's frames, None takes bin centres."""
        return self.classify(self.normalise(frames), rng)

    def classify(self, clip: Tensor, rng: np.random.Generator | None = None) -> UnimodalOutput:
        """Normalised frames [B, T, 3, H, W] -> class scores."""
        features, students = self.spatial(clip)
        return self.answer(features, students, rng)

    def answer(
        self, features: Tensor, students: tuple[Tensor, ...], rng: np.random.Generator | None = None
    ) -> UnimodalOutput:
        """What `spatial` returns -> class scores."""
        temporal = self.temporal(features, rng)
        small, medium, large = (self.heads[name](temporal.tokens[name]) / self.tau for name in BRANCHES)
        fused = torch.maximum(torch.maximum(small, medium), large)
        return UnimodalOutput(fused, small, medium, large, students, temporal.teachers, features, temporal.mean_token)
