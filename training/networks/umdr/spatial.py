"""The spatial stream: the first family's Inception blocks in three stages, with recoupling after each.

Nothing in it is negative, so that the zeros around its pools change no maximum: blocks end in ReLU, and recoupling adds
means of what it takes.

Source: docs/method.md, "Recoupling at three depths".
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from training.networks.dsn.inception import BLOCKS, Inception, Unit2D, max_pool_same, recomputed, scaled
from training.networks.umdr.recoupling import Recoupling

_STAGES = (("mixed_3b", "mixed_3c"), ("mixed_4b", "mixed_4c"), ("mixed_5b", "mixed_5c"))
_POOLS = (3, 2)  # kernels of the max pools that end the first two stages; the third ends in maxima of channels


class Stage(nn.Module):
    """Two Inception blocks, and what makes their output smaller."""

    def __init__(self, number: int, inputs: int, width: float, momentum: float) -> None:
        super().__init__()
        self.pool = _POOLS[number] if number < len(_POOLS) else None
        first, second = (tuple(scaled(c, width) for c in BLOCKS[name]) for name in _STAGES[number])
        self.first = Inception(inputs, first, momentum, may_be_negative=False)
        self.second = Inception(_outputs(first), second, momentum, may_be_negative=False)
        self.outputs = _outputs(second) if self.pool else _outputs(second) // 2

    def forward(self, x: Tensor, num_frames: int) -> Tensor:
        """[B*T, inputs, H, W] -> [B*T, outputs, h, w]."""
        return self.shrink(self.second(self.first(x, num_frames), num_frames))

    def shrink(self, x: Tensor) -> Tensor:
        """Return the blocks' output, [N, C, H, W], as small as the next stage takes it."""
        return largest_of_pairs(x) if self.pool is None else max_pool_same(x, self.pool, 2)


def _outputs(channels: tuple[int, ...]) -> int:
    return channels[0] + channels[2] + channels[4] + channels[5]


def largest_of_pairs(x: Tensor) -> Tensor:
    """[N, C, ...] -> [N, C // 2, ...]: the larger of channels 2c and 2c + 1; of an odd number, the last is left."""
    half = x.shape[1] // 2
    return torch.maximum(x[:, 0 : 2 * half : 2], x[:, 1 : 2 * half : 2])


class SpatialNet(nn.Module):
    """Normalised frames -> one feature vector per frame, and what three recouplings say of time.

    With `checkpoint_activations`, training keeps what enters the stem and each stage, and computes the rest again for
    the gradients.
    """

    checkpoint_activations = False

    def __init__(self, num_frames: int, width: float, dim: int, momentum: float) -> None:
        super().__init__()
        self.num_frames = num_frames
        first, middle = scaled(64, width), scaled(192, width)
        self.conv1 = Unit2D(3, first, 7, 2, momentum)
        self.conv2 = Unit2D(first, first, 1, 1, momentum)
        self.conv3 = Unit2D(first, middle, 3, 1, momentum)
        self.stages, inputs = nn.ModuleList(), middle
        for number in range(len(_STAGES)):
            stage = Stage(number, inputs, width, momentum)
            self.stages.append(stage)
            inputs = stage.outputs
        self.recouplings = nn.ModuleList(Recoupling(num_frames, dim) for _ in _STAGES)
        self.project = nn.Sequential(nn.LayerNorm(inputs), nn.Linear(inputs, dim))

    def forward(self, clip: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """clip [B, T, 3, H, W] -> features [B, T, dim], and the three distillation features [B, dim]."""
        return self.recouple(self.first_maps(clip))

    def first_maps(self, clip: Tensor) -> Tensor:
        """clip [B, T, 3, H, W] -> [B*T, C, h, w], what the first recoupling takes; T may be any here."""
        x = self._run(self.stem, clip.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        return self._run(self.stages[0], x, clip.shape[1])

    def recouple(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """What `first_maps` returns -> what `forward` does."""
        x, student = self.recouplings[0](x)
        students = [student]
        for stage, recoupling in zip(self.stages[1:], self.recouplings[1:], strict=True):
            x, student = recoupling(self._run(stage, x, self.num_frames))
            students.append(student)
        features: Tensor = self.project(x.mean((-2, -1)))
        return features.unflatten(0, (-1, self.num_frames)), tuple(students)

    def stem(self, x: Tensor) -> Tensor:
        """[N, 3, H, W] -> [N, channels, ceil(H / 8), ceil(W / 8)]."""
        x = max_pool_same(self.conv1(x), 3, 2)
        return max_pool_same(self.conv3(self.conv2(x)), 3, 2)

    def _run(self, part: Callable[..., Tensor], *inputs: Any) -> Tensor:
        is_saving = self.checkpoint_activations and self.training
        return recomputed(self, part, *inputs) if is_saving else part(*inputs)
