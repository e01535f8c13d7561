"""The network of both streams: a trained head over two frozen networks, whose scores count as much as its own."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from training.networks.dsn.inception import scaled
from training.networks.dsn.temporal import FeedForward, softmax_of_strongest
from training.networks.umdr.config import NetworkConfig
from training.networks.umdr.single_stream import UnimodalNet, UnimodalOutput


class FusionOutput(NamedTuple):
    """Class scores [B, N] of the head for RGB and for depth, and what the two streams answer."""

    rgb: Tensor
    depth: Tensor
    rgb_stream: UnimodalOutput
    depth_stream: UnimodalOutput

    @property
    def streams_mean(self) -> Tensor:
        """Score fusion [B, N]: the mean of both streams' scores, in which nothing is trained."""
        return (self.rgb_stream.logits + self.depth_stream.logits) / 2

    @property
    def logits(self) -> Tensor:
        """The answer [B, N]: the mean of the streams' scores and of the head's."""
        return (self.rgb_stream.logits + self.depth_stream.logits + self.rgb + self.depth) / 4

    def heads(self) -> dict[str, Tensor]:
        """Every head's scores [B, N] under the names that an exported graph gives them; the answer is `logits`."""
        return {
            "logits": self.logits,
            "logits_streams": self.streams_mean,
            "logits_rgb": self.rgb_stream.logits,
            "logits_depth": self.depth_stream.logits,
            "logits_rgb_head": self.rgb,
            "logits_depth_head": self.depth,
        }


class Enhance(nn.Module):
    """Gates over the channels of each stream, which both streams set."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2 * dim)
        self.rgb_gate = nn.Sequential(nn.Linear(2 * dim, dim), nn.ReLU(), nn.Linear(dim, dim))
        self.depth_gate = nn.Sequential(nn.Linear(2 * dim, dim), nn.ReLU(), nn.Linear(dim, dim))

    def forward(self, rgb: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """[..., dim] twice -> [..., dim] twice."""
        both = self.norm(torch.cat([rgb, depth], -1))
        return rgb * torch.sigmoid(self.rgb_gate(both)), depth * torch.sigmoid(self.depth_gate(both))


class Catcher(nn.Module):
    """Attention in which the other stream says what a stream reads of itself: keys are its, values are not."""

    def __init__(self, dim: int, hidden: int, num_heads: int, kept_scores: float) -> None:
        super().__init__()
        self.num_heads, self.kept_scores = num_heads, kept_scores
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)
        self.norm = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim, hidden)

    def forward(self, own: Tensor, other: Tensor) -> Tensor:
        """[B, n, dim] twice -> [B, n, dim]."""
        query, key, value = (
            part.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for part in (self.query(own), self.key(other), self.value(own))
        )
        scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
        mixed = (softmax_of_strongest(scores, self.kept_scores) @ value).transpose(1, 2).flatten(2)
        mixed = self.norm(mixed) + own
        return mixed + self.feed_forward(mixed)


class FusionLayer(nn.Module):
    """Each stream catches what the other points at; `enhances` says whether gates come before."""

    def __init__(self, config: NetworkConfig, *, enhances: bool) -> None:
        super().__init__()
        shape = config.dim, scaled(768, config.width), config.num_heads, config.kept_scores
        self.enhance = Enhance(config.dim) if enhances else None
        self.rgb, self.depth = Catcher(*shape), Catcher(*shape)

    def forward(self, rgb: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """[B, n, dim] twice -> [B, n, dim] twice."""
        if self.enhance is not None:
            rgb, depth = self.enhance(rgb, depth)
        return self.rgb(rgb, depth), self.depth(depth, rgb)


class FusionLayers(nn.Module):
    """Both streams normalised together, then layer after layer."""

    def __init__(self, config: NetworkConfig, num_layers: int, *, enhances: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(2 * config.dim)
        self.layers = nn.ModuleList(FusionLayer(config, enhances=enhances) for _ in range(num_layers))

    def forward(self, rgb: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """[B, n, dim] twice -> [B, n, dim] twice."""
        rgb, depth = self.norm(torch.cat([rgb, depth], -1)).chunk(2, -1)
        for layer in self.layers:
            rgb, depth = layer(rgb, depth)
        return rgb, depth


class FusionHead(nn.Module):
    """All of the fusion that is trained: "CrossFusionNet". Source: docs/method.md, "Fusion over frozen streams"."""

    def __init__(self, config: NetworkConfig, num_classes: int, num_frames: int) -> None:
        super().__init__()
        dim = config.dim
        self.spatial = FusionLayers(config, config.spatial_fusions, enhances=True)
        self.enhance = Enhance(dim)
        self.rgb_norm, self.depth_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.rgb_position = nn.Parameter(torch.randn(1, num_frames + 1, dim))
        self.depth_position = nn.Parameter(torch.randn(1, num_frames + 1, dim))
        self.temporal = FusionLayers(config, config.temporal_fusions, enhances=False)
        self.rgb_classes, self.depth_classes = nn.Linear(dim, num_classes), nn.Linear(dim, num_classes)

    def forward(self, rgb: UnimodalOutput, depth: UnimodalOutput) -> tuple[Tensor, Tensor]:
        """Features and class token of each stream -> its class scores [B, N]."""
        rgb_frames, depth_frames = self.spatial(rgb.features, depth.features)
        rgb_token, depth_token = self.enhance(rgb.token, depth.token)
        rgb_tokens = self.rgb_norm(torch.cat([rgb_token[:, None], rgb_frames], 1)) + self.rgb_position
        depth_tokens = self.depth_norm(torch.cat([depth_token[:, None], depth_frames], 1)) + self.depth_position
        rgb_tokens, depth_tokens = self.temporal(rgb_tokens, depth_tokens)
        return self.rgb_classes(rgb_tokens[:, 0]), self.depth_classes(depth_tokens[:, 0])


class FusionNet(nn.Module):
    """RGB and depth together: two networks of one stream that never change, and a head over both.

    Source: docs/method.md, "Fusion over frozen streams".
    """

    def __init__(self, config: NetworkConfig, num_classes: int, num_frames: int) -> None:
        super().__init__()
        self.rgb = UnimodalNet(config, num_classes, num_frames).requires_grad_(False)
        self.depth = UnimodalNet(config, num_classes, num_frames).requires_grad_(False)
        self.head = FusionHead(config, num_classes, num_frames)

    def train(self, mode: bool = True) -> "FusionNet":
        """Train the head, and leave the streams as they are in evaluation: without dropout, by running statistics."""
        super().train(mode)
        self.rgb.eval()
        self.depth.eval()
        return self

    def forward(self, rgb: Tensor, depth: Tensor, rng: np.random.Generator | None = None) -> FusionOutput:  # noqa: ARG002
        """Uint8 RGB and depth frames [B, T, H, W, 3] -> class scores; frozen streams draw no frames from `rng`."""
        return self.fuse(self.rgb(rgb), self.depth(depth))

    def fuse(self, rgb: UnimodalOutput, depth: UnimodalOutput) -> FusionOutput:
        """What each stream answers -> what both do."""
        rgb_scores, depth_scores = self.head(rgb, depth)
        return FusionOutput(rgb_scores, depth_scores, rgb, depth)
