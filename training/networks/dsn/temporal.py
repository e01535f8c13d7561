"""The temporal stream: three transformers that read the frame features at three densities."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rgbd.clip.sampling import bin_centres, draw_per_bin
from training.networks.dsn.inception import max_pool_time, scaled
from training.networks.dsn.recoupling import Recoupling

BRANCHES = ("small", "medium", "large")
INCEPTION = (160, 112, 224, 24, 64, 64)  # of the first block; docs/method.md, "Temporal branches"
DROPOUT = 0.1


class Unit1D(nn.Module):
    """Convolution over time without bias, batch norm, ReLU on [B, C, T]."""

    def __init__(self, inputs: int, outputs: int, kernel: int, momentum: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm1d(outputs, eps=1e-3, momentum=momentum)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, T] -> [B, outputs, T]."""
        return F.relu(self.norm(self.conv(x)))


class TemporalInception(nn.Module):
    """The Inception block turned into time, on [B, C, T]."""

    def __init__(self, dim: int, width: float, momentum: float) -> None:
        super().__init__()
        b1a, b1b, b2a, b2b, b3b = (scaled(c, width) for c in INCEPTION[1:])
        b0 = dim - b1b - b2b - b3b  # what rounding leaves, so that the block keeps its width
        self.b0 = Unit1D(dim, b0, 1, momentum)
        self.b1a = Unit1D(dim, b1a, 1, momentum)
        self.b1b = Unit1D(b1a, b1b, 3, momentum)
        self.b2a = Unit1D(dim, b2a, 1, momentum)
        self.b2b = Unit1D(b2a, b2b, 3, momentum)
        self.b3b = Unit1D(dim, b3b, 1, momentum)

    def forward(self, x: Tensor) -> Tensor:
        """[B, dim, T] -> [B, dim, T]."""
        pooled = max_pool_time(x, dim=2)
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], 1)


class Attention(nn.Module):
    """Pre-norm self-attention that forgets the weakest scores of every row."""

    def __init__(self, dim: int, num_heads: int, kept_scores: float) -> None:
        super().__init__()
        self.num_heads, self.kept_scores = num_heads, kept_scores
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor, rows: int | None = None) -> Tensor:
        """[B, n, dim] -> [B, rows, dim]: the first rows only, or all."""
        weights, value = self.weights(x, rows)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return self.dropout(self.out(mixed))

    def weights(self, x: Tensor, rows: int | None = None) -> tuple[Tensor, Tensor]:
        """[B, n, dim] -> how much each token reads of every other [B, heads, rows, n], and what [B, heads, n, dim']."""
        split = self.qkv(self.norm(x)).unflatten(-1, (3, self.num_heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4)
        scores = query[:, :, :rows] @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
        return softmax_of_strongest(scores, self.kept_scores), value


def softmax_of_strongest(scores: Tensor, share: float) -> Tensor:
    """Return the softmax of each row's strongest scores [..., n], as a share of all; the others become 0."""
    weakest_kept = scores.topk(int(scores.shape[-1] * share), dim=-1).values[..., -1:]
    return torch.where(scores >= weakest_kept, scores, float("-inf")).softmax(-1)


class FeedForward(nn.Module):
    """Pre-norm feed-forward layer."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, hidden)
        self.down = nn.Linear(hidden, dim)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        """[B, n, dim] -> [B, n, dim]."""
        return self.dropout(self.down(self.dropout(F.gelu(self.up(self.norm(x))))))


class Block(nn.Module):
    """One transformer layer."""

    def __init__(self, dim: int, hidden: int, num_heads: int, kept_scores: float) -> None:
        super().__init__()
        self.attention = Attention(dim, num_heads, kept_scores)
        self.feed_forward = FeedForward(dim, hidden)

    def forward(self, x: Tensor, rows: int | None = None) -> Tensor:
        """[B, n, dim] -> [B, rows, dim]: the first rows only, or all."""
        x = x[:, :rows] + self.attention(x, rows)
        return x + self.feed_forward(x)


class Branch(nn.Module):
    """One density: a class token reads `num_frames` of the clip's frames."""

    def __init__(
        self,
        num_frames: int,
        dim: int,
        width: float,
        *,
        num_blocks: int,
        num_heads: int,
        kept_scores: float,
        momentum: float,
    ) -> None:
        super().__init__()
        self.num_frames = num_frames
        self.class_token = nn.Parameter(torch.randn(1, 1, dim))
        self.position = nn.Parameter(torch.randn(1, num_frames + 1, dim))
        self.inception = TemporalInception(dim, width, momentum)
        hidden = scaled(768, width)
        self.blocks = nn.ModuleList(Block(dim, hidden, num_heads, kept_scores) for _ in range(num_blocks))

    def forward(self, frames: Tensor, rng: np.random.Generator | None) -> Tensor:
        """Features [B, T, dim] -> the class token [B, dim]; `rng` draws the frames, None takes bin centres."""
        total = frames.shape[1]
        chosen = bin_centres(total, self.num_frames) if rng is None else draw_per_bin(total, self.num_frames, rng)
        frames = frames[:, torch.from_numpy(chosen).to(frames.device)]
        tokens = torch.cat([self.class_token.expand(frames.shape[0], -1, -1), frames], 1) + self.position
        frames = max_pool_time(self.inception(tokens[:, 1:].transpose(1, 2)), dim=2)
        tokens = torch.cat([tokens[:, :1], frames.transpose(1, 2)], 1)
        for block in self.blocks[:-1]:
            tokens = block(tokens)
        return self.blocks[-1](tokens, rows=1)[:, 0]  # nobody reads the other rows


class TemporalOutput(NamedTuple):
    """Class tokens [B, dim] of the three branches, and the recoupling's distillation feature [B, dim], if any."""

    tokens: dict[str, Tensor]
    distilled: Tensor | None

    @property
    def mean_token(self) -> Tensor:
        """The mean class token [B, dim]; as the teacher of the distillation it passes no gradient."""
        return torch.stack(list(self.tokens.values())).mean(0).detach()

    @property
    def largest_token(self) -> Tensor:
        """The elementwise maximum of the class tokens [B, dim]."""
        return torch.stack(list(self.tokens.values())).amax(0)


class TemporalNet(nn.Module):
    """Recoupling, if any, then the three branches. Source: docs/method.md, "Temporal branches"."""

    def __init__(self, recoupling: Recoupling | None, branches: Mapping[str, Branch]) -> None:
        super().__init__()
        self.recoupling = recoupling
        self.branches = nn.ModuleDict(dict(branches))

    def forward(self, features: Tensor, rng: np.random.Generator | None) -> TemporalOutput:
        """[B, T, dim] -> the branches' class tokens and the distillation feature."""
        distilled = None
        if self.recoupling is not None:
            recoupled, distilled = self.recoupling(features.transpose(1, 2))
            features = recoupled.transpose(1, 2)
        return TemporalOutput({name: branch(features, rng) for name, branch in self.branches.items()}, distilled)
