"""The temporal stream: three transformers at three densities, whose class tokens of the last blocks teach."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rgbd.clip.sampling import bin_centres, draw_per_bin
from training.networks.dsn.inception import max_pool_time, same_pads, scaled
from training.networks.dsn.temporal import BRANCHES, INCEPTION, Block
from training.networks.umdr.config import TAUGHT_BLOCKS, NetworkConfig


class Unit1D(nn.Module):
    """Convolution over time without bias, batch norm, ReLU on [B, C, T], "SAME" padded."""

    def __init__(self, inputs: int, outputs: int, kernel: int, momentum: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, bias=False)
        self.norm = nn.BatchNorm1d(outputs, eps=1e-3, momentum=momentum)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, T] -> [B, outputs, T]."""
        padded = F.pad(x, same_pads(x.shape[-1], self.conv.kernel_size[0], 1))
        return F.relu(self.norm(self.conv(padded)))


class TemporalInception(nn.Module):
    """The Inception block turned into time, on [B, C, T]; the denser the branch, the wider its kernels."""

    def __init__(self, dim: int, kernel: int, width: float, momentum: float) -> None:
        super().__init__()
        self.kernel = kernel
        b1a, b1b, b2a, b2b, b3b = (scaled(c, width) for c in INCEPTION[1:])
        b0 = dim - b1b - b2b - b3b  # what rounding leaves, so that the block keeps its width
        self.b0 = Unit1D(dim, b0, 1, momentum)
        self.b1a = Unit1D(dim, b1a, 1, momentum)
        self.b1b = Unit1D(b1a, b1b, kernel, momentum)
        self.b2a = Unit1D(dim, b2a, 1, momentum)
        self.b2b = Unit1D(b2a, b2b, kernel, momentum)
        self.b3b = Unit1D(dim, b3b, 1, momentum)

    def forward(self, x: Tensor) -> Tensor:
        """[B, dim, T] -> [B, dim, T]."""
        padded = F.pad(x, same_pads(x.shape[-1], self.kernel, 1))  # zeros count: features are of either sign
        pooled = F.max_pool1d(padded, self.kernel, 1)
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], 1)


class Branch(nn.Module):
    """One density: a class token reads `num_frames` frames, some of them twice where a clip has fewer."""

    def __init__(self, num_frames: int, config: NetworkConfig) -> None:
        super().__init__()
        self.num_frames = num_frames
        dim, hidden = config.dim, scaled(768, config.width)
        self.class_token = nn.Parameter(torch.randn(1, 1, dim))
        self.position = nn.Parameter(torch.randn(1, num_frames + 1, dim))
        self.inception = TemporalInception(dim, math.isqrt(num_frames), config.width, config.batchnorm_momentum)
        self.blocks = nn.ModuleList(
            Block(dim, hidden, config.num_heads, config.kept_scores) for _ in range(config.num_blocks)
        )

    def forward(self, frames: Tensor, rng: np.random.Generator | None) -> tuple[Tensor, ...]:
        """Features [B, T, dim] -> the class token [B, dim] after each of the last three blocks.

        `rng` draws the frames, None takes bin centres.
        """
        total = frames.shape[1]
        chosen = bin_centres(total, self.num_frames) if rng is None else draw_per_bin(total, self.num_frames, rng)
        frames = frames[:, torch.from_numpy(chosen).to(frames.device)]
        frames = max_pool_time(self.inception(frames.transpose(1, 2)), dim=2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(frames.shape[0], -1, -1), frames], 1) + self.position
        class_tokens = []
        for block in self.blocks[:-1]:
            tokens = block(tokens)
            class_tokens.append(tokens[:, 0])
        class_tokens.append(self.blocks[-1](tokens, rows=1)[:, 0])  # nobody reads the other rows
        return tuple(class_tokens[-TAUGHT_BLOCKS:])


class TemporalOutput(NamedTuple):
    """The branches' class tokens [B, dim]: of the last block, and the sums of those after each of the last three."""

    tokens: dict[str, Tensor]
    teachers: tuple[Tensor, ...]

    @property
    def mean_token(self) -> Tensor:
        """The mean of the last block's class tokens [B, dim]."""
        return self.teachers[-1] / len(self.tokens)


class TemporalNet(nn.Module):
    """The three branches. Source: docs/method.md, "The second family"."""

    def __init__(self, branches: Mapping[str, Branch]) -> None:
        super().__init__()
        self.branches = nn.ModuleDict(dict(branches))

    def forward(self, features: Tensor, rng: np.random.Generator | None) -> TemporalOutput:
        """[B, T, dim] -> class tokens."""
        of_blocks = {name: branch(features, rng) for name, branch in self.branches.items()}
        teachers = tuple(torch.stack(tokens).sum(0) for tokens in zip(*of_blocks.values(), strict=True))
        return TemporalOutput({name: tokens[-1] for name, tokens in of_blocks.items()}, teachers)


def temporal_net(config: NetworkConfig, num_frames: int) -> TemporalNet:
    """Return the branches for clips of `num_frames`."""
    frames = config.branch_frames(num_frames)
    return TemporalNet({name: Branch(number, config) for name, number in zip(BRANCHES, frames, strict=True)})
