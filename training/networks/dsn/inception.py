"""The spatial stream: a 2-D Inception network over single frames, steered by guidance.

Time is folded into the batch, because every convolution is 2-D; the (3, 3, 3) pools of the Inception blocks, the only
place where frames meet, are split into a pool over space and one over time.

Source: docs/method.md, "Spatial stream".
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from training.networks.dsn.guidance import halve_until

# Output channels of each block's units: b0, b1a, b1b, b2a, b2b, b3b. Source: docs/method.md, "Spatial stream".
BLOCKS = {
    "mixed_3b": (64, 96, 128, 16, 32, 32),
    "mixed_3c": (128, 128, 192, 32, 96, 64),
    "mixed_4b": (192, 96, 208, 16, 48, 64),
    "mixed_4c": (160, 112, 224, 24, 64, 64),
    "mixed_5b": (256, 160, 320, 32, 128, 128),
    "mixed_5c": (384, 192, 384, 48, 128, 128),
}


def scaled(channels: int, width: float) -> int:
    """Return `channels` for a network `width` times as wide as the published one."""
    return max(1, round(channels * width))


def same_pads(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the zeros before and after an axis as TensorFlow's "SAME" counts them: the smaller half first."""
    total = max(kernel - stride if size % stride == 0 else kernel - size % stride, 0)
    return total // 2, total - total // 2


def pad_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Pad the last two axes with zeros as TensorFlow's "SAME" does."""
    pads = (*same_pads(x.shape[-1], kernel, stride), *same_pads(x.shape[-2], kernel, stride))
    return F.pad(x, pads) if any(pads) else x


def max_pool_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Max-pool [N, C, H, W] of no negative values with "SAME" padding.

    Zeros beside such values change no maximum, so none are written: the last windows reach over the edge instead.
    """
    before = same_pads(x.shape[-2], kernel, stride)[0], same_pads(x.shape[-1], kernel, stride)[0]
    return F.max_pool2d(x, kernel, stride, padding=before, ceil_mode=True)


def max_pool_time(x: Tensor, dim: int) -> Tensor:
    """Return the maximum over each index of axis `dim` and its two neighbours, zeros beyond the ends."""
    zeros = torch.zeros_like(x.narrow(dim, 0, 1))
    padded = torch.cat([zeros, x, zeros], dim)
    size = x.shape[dim]
    before, here, after = (padded.narrow(dim, start, size) for start in range(3))
    return torch.maximum(torch.maximum(before, here), after)


def max_pool_cube(x: Tensor, num_frames: int, *, edges_count: bool) -> Tensor:
    """Max-pool [B*T, C, H, W] over 3x3 pixels of 3 frames with stride 1, zeros beyond all edges.

    They need not count where no value is negative: the maximum is the same.
    """
    pooled = F.max_pool2d(x, 3, 1, padding=1).unflatten(0, (-1, num_frames))
    # Time and pixels become the two axes of one image, so that the pool over time is one like any other: it passes its
    # gradient on in a fifth of the time that comparing shifted copies takes. Channels come last, so no memory moves.
    height, width = pooled.shape[-2:]
    lines = pooled.permute(0, 2, 1, 3, 4).flatten(3)
    lines = F.max_pool2d(lines, (3, 1), 1, padding=(1, 0))
    pooled = lines.unflatten(3, (height, width)).permute(0, 2, 1, 3, 4)
    if edges_count:
        pooled = torch.clamp(pooled, min=_edges(x, num_frames))
    return pooled.flatten(0, 1)


def _edges(x: Tensor, num_frames: int) -> Tensor:
    """Return [T, 1, H, W]: 0 where a window of 3x3x3 reaches over an edge, where zeros count, and -inf elsewhere."""
    edges = np.zeros((num_frames, 1, *x.shape[2:]), np.float32)  # in numpy, so that an exported graph has a constant
    edges[1:-1, :, 1:-1, 1:-1] = -np.inf
    return torch.from_numpy(edges).to(x)


class Unit2D(nn.Module):
    """Convolution without bias, batch norm, ReLU on [N, C, H, W], "SAME" padded."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, momentum: float) -> None:
        super().__init__()
        # With stride 1 as many zeros lie before as after, and the convolution adds them itself.
        padding = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3, momentum=momentum)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, ceil(H / stride), ceil(W / stride)]."""
        if (stride := self.conv.stride[0]) > 1:
            x = pad_same(x, self.conv.kernel_size[0], stride)
        return F.relu(self.norm(self.conv(x)), inplace=True)  # the gradient of batch norm needs its input, not this


class Inception(nn.Module):
    """Four parallel paths, concatenated: 1x1; 1x1 and 3x3; 1x1 and 3x3; pool and 1x1."""

    def __init__(self, inputs: int, channels: tuple[int, ...], momentum: float, *, may_be_negative: bool) -> None:
        super().__init__()
        self.may_be_negative = may_be_negative  # what it takes
        b0, b1a, b1b, b2a, b2b, b3b = channels
        self.b0 = Unit2D(inputs, b0, 1, 1, momentum)
        self.b1a = Unit2D(inputs, b1a, 1, 1, momentum)
        self.b1b = Unit2D(b1a, b1b, 3, 1, momentum)
        self.b2a = Unit2D(inputs, b2a, 1, 1, momentum)
        self.b2b = Unit2D(b2a, b2b, 3, 1, momentum)
        self.b3b = Unit2D(inputs, b3b, 1, 1, momentum)

    def forward(self, x: Tensor, num_frames: int) -> Tensor:
        """[B*T, inputs, H, W] -> [B*T, b0 + b1b + b2b + b3b, H, W]."""
        pooled = max_pool_cube(x, num_frames, edges_count=self.may_be_negative)
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], 1)


class SpatialNet(nn.Module):
    """Normalised frames and their guidance -> one feature vector per frame.

    With `checkpoint_activations`, training keeps what enters the stem and each block, and computes the rest again for
    the gradients.
    """

    checkpoint_activations = False

    def __init__(self, width: float, dim: int, momentum: float, *, guided: bool) -> None:
        super().__init__()
        stem, middle = scaled(64, width), scaled(192, width)
        self.conv1 = Unit2D(3, stem, 7, 2, momentum)
        self.conv2 = Unit2D(stem, stem, 1, 1, momentum)
        self.conv3 = Unit2D(stem, middle, 3, 1, momentum)
        inputs = middle
        for name, published in BLOCKS.items():
            channels = tuple(scaled(c, width) for c in published)
            # The second of each two gets what guidance has weighed; the first, maxima of what comes from a ReLU.
            may_be_negative = guided and name.endswith("c")
            self.add_module(name, Inception(inputs, channels, momentum, may_be_negative=may_be_negative))
            inputs = channels[0] + channels[2] + channels[4] + channels[5]
        self.project = nn.Sequential(nn.LayerNorm(inputs), nn.Linear(inputs, dim))
        if guided:
            # w0 weighs a feature, w1 the feature seen through the guidance; one pair for all three places.
            self.guidance_weights = nn.Parameter(torch.tensor([1.0, 0.0]))

    def forward(self, clip: Tensor, guidance: Tensor | None) -> Tensor:
        """clip [B, T, 3, H, W] and guidance [B, T, 1, H, W], None for a network without -> [B, T, dim]."""
        num_frames = clip.shape[1]
        maps = None if guidance is None else guidance.flatten(0, 1)
        x = self._run(self.stem, clip.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        for name in BLOCKS:
            x = self._run(self.get_submodule(name), x, num_frames)
            if name.endswith("b") and maps is not None:
                x, maps = self.guide(x, maps)
            elif name == "mixed_3c":
                x = max_pool_same(x, 3, 2)
            elif name == "mixed_4c":
                x = max_pool_same(x, 2, 2)
        features: Tensor = self.project(x.mean((-2, -1)))
        return features.unflatten(0, (-1, num_frames))

    def stem(self, x: Tensor) -> Tensor:
        """[N, 3, H, W] -> [N, channels, ceil(H / 8), ceil(W / 8)]."""
        x = max_pool_same(self.conv1(x), 3, 2)
        return max_pool_same(self.conv3(self.conv2(x)), 3, 2)

    def _run(self, part: Callable[..., Tensor], *inputs: Any) -> Tensor:
        is_saving = self.checkpoint_activations and self.training
        return recomputed(self, part, *inputs) if is_saving else part(*inputs)

    def guide(self, x: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        """[N, C, h, w] and maps [N, 1, H, W] -> weighed features, and the maps as small as they are."""
        maps = halve_until(maps, x.shape[-2])
        plain, guided = self.guidance_weights
        if self.training:  # as published, rounding included: the fusion's top-k, and so its goldens, hang on it
            return x + plain * x + guided * x * (1 + maps), maps
        return x * (1 + plain + guided + guided * maps), maps  # the same in one pass over x


def recomputed(network: nn.Module, part: Callable[..., Tensor], *inputs: Any) -> Tensor:
    """Return what a part of a network makes of `inputs`, which is computed again for the gradients: nothing is kept."""
    result: Tensor = checkpoint(
        part, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), _frozen_statistics(network))
    )
    return result


@contextmanager
def _frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Leave batch norm's running statistics as they are: a part that is computed again was counted already."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
