"""The network of one stream: frames -> spatial features -> three temporal branches -> class scores."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from training.networks.dsn.config import NetworkConfig
from training.networks.dsn.guidance import RankPool, normalise
from training.networks.dsn.inception import SpatialNet
from training.networks.dsn.recoupling import Recoupling
from training.networks.dsn.temporal import BRANCHES, Branch, TemporalNet, TemporalOutput


class UnimodalOutput(NamedTuple):
    """Class scores [B, N] of the fused head and of each branch, and both sides of the distillation [B, dim]."""

    logits: Tensor
    small: Tensor
    medium: Tensor
    large: Tensor
    student: Tensor | None  # without recoupling
    teacher: Tensor

    def heads(self) -> dict[str, Tensor]:
        """Every head's scores [B, N] under the names that an exported graph gives them; the answer is `logits`."""
        return {
            "logits": self.logits,
            "logits_small": self.small,
            "logits_medium": self.medium,
            "logits_large": self.large,
        }


class Backbone(nn.Module):
    """Everything of a stream but its heads; the fusion network has two of them."""

    def __init__(self, config: NetworkConfig, num_frames: int) -> None:
        super().__init__()
        self.guidance = RankPool(config.guidance_window) if config.guidance else None
        self.spatial = SpatialNet(config.width, config.dim, config.batchnorm_momentum, guided=config.guidance)
        self.temporal = TemporalNet(
            Recoupling(num_frames, config.dim, config.recoupling_heads, config.recoupling_hidden or 4 * num_frames)
            if config.recoupling
            else None,
            {
                name: Branch(
                    frames,
                    config.dim,
                    config.width,
                    num_blocks=config.num_blocks,
                    num_heads=config.num_heads,
                    kept_scores=config.kept_scores,
                    momentum=config.batchnorm_momentum,
                )
                for name, frames in zip(BRANCHES, config.branch_frames, strict=True)
            },
        )

    def features(self, frames: Tensor) -> Tensor:
        """Uint8 frames [B, T, H, W, 3] -> spatial features [B, T, dim]."""
        clip = normalise(frames)
        guidance = None if self.guidance is None else self.guidance(clip)
        features: Tensor = self.spatial(clip, guidance)
        return features


class UnimodalNet(nn.Module):
    """One stream, RGB or depth, of the published method ("I3DWTrans").

    Source: docs/method.md, "Network of one stream".
    """

    def __init__(self, config: NetworkConfig, num_classes: int, num_frames: int) -> None:
        super().__init__()
        self.backbone = Backbone(config, num_frames)
        self.heads = nn.ModuleDict(
            {name: nn.Sequential(nn.LayerNorm(config.dim), nn.Linear(config.dim, num_classes)) for name in BRANCHES}
        )
        self.tau = 1.0  # divides every head's scores; a schedule sets it, a checkpoint carries it

    def forward(self, frames: Tensor, rng: np.random.Generator | None = None) -> UnimodalOutput:
        """Uint8 frames [B, T, H, W, 3] -> class scores; `rng` draws each branch's frames, None takes bin centres."""
        return self.classify(self.backbone.temporal(self.backbone.features(frames), rng))

    def classify(self, temporal: TemporalOutput) -> UnimodalOutput:
        """Turn the branches' class tokens into scores."""
        small, medium, large = (self.heads[name](temporal.tokens[name]) / self.tau for name in BRANCHES)
        fused = torch.maximum(torch.maximum(small, medium), large)
        return UnimodalOutput(fused, small, medium, large, temporal.distilled, temporal.mean_token)
