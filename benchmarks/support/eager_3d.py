"""Networks of one stream in the plain form of their published code: eager Conv3d and max_pool3d on [B, C, T, H, W].

Benchmarks compare with it. Each is made of a network of ours and has its weights, so that a test can tell that it
answers the same. Temporal parts and heads, which take little time, are ours.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.dsn.guidance import normalise, rank_pool
from training.networks.dsn.inception import BLOCKS, Inception, Unit2D
from training.networks.family import Output
from training.networks.umdr.recoupling import FRAME_DIM, Recoupling

NUM_MAPS = 24  # attention maps of a clip, 8 heads of 3 branches, that are compared each with each: 576 similarities


def pool_3d(x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    return F.max_pool3d(pad_same_3d(x, kernel, stride), tuple(kernel), tuple(stride))


def pad_same_3d(x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    pads: list[int] = []
    for size, k, s in reversed(list(zip(x.shape[2:], kernel, stride, strict=True))):
        total = max(k - s if size % s == 0 else k - size % s, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads) if any(pads) else x


class Unit3D(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, unit: Unit2D) -> None:
        super().__init__()
        conv, norm = unit.conv, unit.norm
        self.kernel, self.stride = (1, *conv.kernel_size), (1, *conv.stride)
        self.conv = nn.Conv3d(conv.in_channels, conv.out_channels, self.kernel, self.stride, bias=False)
        self.conv.weight = nn.Parameter(conv.weight.detach()[:, :, None].clone())
        self.norm = nn.BatchNorm3d(conv.out_channels, eps=norm.eps, momentum=norm.momentum)
        self.norm.load_state_dict(norm.state_dict())

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(pad_same_3d(x, self.kernel, self.stride))))


class Inception3D(nn.Module):
    def __init__(self, block: Inception) -> None:
        super().__init__()
        self.b0, self.b3b = Unit3D(block.b0), Unit3D(block.b3b)
        self.b1 = nn.Sequential(Unit3D(block.b1a), Unit3D(block.b1b))
        self.b2 = nn.Sequential(Unit3D(block.b2a), Unit3D(block.b2b))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.b0(x), self.b1(x), self.b2(x), self.b3b(pool_3d(x, (3, 3, 3), (1, 1, 1)))], 1)


class Stem3D(nn.Module):
    """What both families begin with."""

    def __init__(self, spatial: Any) -> None:
        super().__init__()
        self.first, self.second, self.third = (Unit3D(unit) for unit in (spatial.conv1, spatial.conv2, spatial.conv3))

    def forward(self, clip: Tensor) -> Tensor:
        """[B, T, 3, H, W] -> [B, C, T, h, w]."""
        x = pool_3d(self.first(clip.transpose(1, 2)), (1, 3, 3), (1, 2, 2))
        return pool_3d(self.third(self.second(x)), (1, 3, 3), (1, 2, 2))


class DsnSpatial3D(nn.Module):
    """`training.networks.dsn.inception.SpatialNet`, guided."""

    def __init__(self, spatial: Any) -> None:
        super().__init__()
        self.stem = Stem3D(spatial)
        self.blocks = nn.ModuleDict({name: Inception3D(spatial.get_submodule(name)) for name in BLOCKS})
        self.project, self.weights = spatial.project, spatial.guidance_weights

    def forward(self, clip: Tensor, guidance: Tensor) -> Tensor:
        """[B, T, 3, H, W], [B, T, 1, H, W] -> [B, T, dim]."""
        x, maps = self.stem(clip), guidance.transpose(1, 2)
        for name, block in self.blocks.items():
            x = block(x)
            if name.endswith("b"):
                while maps.shape[-1] > x.shape[-1]:
                    maps = F.max_pool3d(maps, (1, 2, 2), ceil_mode=True)
                x = x + self.weights[0] * x + self.weights[1] * x * (1 + maps)
            elif name != "mixed_5c":
                x = pool_3d(x, (1, 3, 3) if name == "mixed_3c" else (1, 2, 2), (1, 2, 2))
        features: Tensor = self.project(x.mean((-2, -1)).transpose(1, 2))
        return features


class EagerDsn(nn.Module):
    """The first family; it `compares` as the reference does in every forward pass.

    Source: docs/method.md, "What the reference does differently", row 10.
    """

    def __init__(self, network: Any, *, compares: bool = False) -> None:
        super().__init__()
        self.network, self.compares, self.window = network, compares, network.backbone.guidance.window
        network.backbone.spatial = DsnSpatial3D(network.backbone.spatial)

    def prepared(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Return what the reference's loader hands over."""
        clip = normalise(frames).contiguous()
        return clip, rank_pool(clip, self.window)

    def forward(self, clip: Tensor, guidance: Tensor) -> Output:
        features = self.network.backbone.spatial(clip, guidance)
        if self.compares:
            for sample in features:
                maps = [(sample @ sample.T).flatten() for _ in range(NUM_MAPS)]
                for first in maps:
                    for second in maps:
                        F.cosine_similarity(first, second, dim=0)
        output: Output = self.network.classify(self.network.backbone.temporal(features, None))
        return output


class Recoupling3D(nn.Module):
    """`training.networks.umdr.recoupling.Recoupling` as docs/method.md writes it down."""

    def __init__(self, recoupling: Recoupling) -> None:
        super().__init__()
        self.query, self.key = recoupling.query, recoupling.key
        self.time_gate, self.distil = recoupling.time_gate, recoupling.distil

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[B, C, T, H, W] -> the same, and [B, dim]."""
        means = x.mean((3, 4))
        query, key = (part(means).unflatten(2, (-1, FRAME_DIM)).transpose(1, 2) for part in (self.query, self.key))
        weights = (query @ key.transpose(2, 3) / FRAME_DIM**0.5).softmax(-1)
        mixed = (weights @ x.transpose(1, 2).flatten(3)).unflatten(3, x.shape[3:]).transpose(1, 2)
        gate = self.time_gate(mixed.mean((1, 3, 4)))
        return x + mixed * torch.sigmoid(gate)[:, None, :, None, None], self.distil(gate)


class UmdrSpatial3D(nn.Module):
    """`training.networks.umdr.spatial.SpatialNet`."""

    def __init__(self, spatial: Any) -> None:
        super().__init__()
        self.stem, self.project = Stem3D(spatial), spatial.project
        self.stages = nn.ModuleList(
            nn.Sequential(Inception3D(stage.first), Inception3D(stage.second)) for stage in spatial.stages
        )
        self.recouplings = nn.ModuleList(Recoupling3D(recoupling) for recoupling in spatial.recouplings)

    def forward(self, clip: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """[B, T, 3, H, W] -> [B, T, dim], and three times [B, dim]."""
        x, students = self.stem(clip), []
        for number, (stage, recoupling) in enumerate(zip(self.stages, self.recouplings, strict=True)):
            x = stage(x)
            if number < 2:
                x = pool_3d(x, ((1, 3, 3), (1, 2, 2))[number], (1, 2, 2))
            else:  # the larger of each two channels
                x = F.max_pool3d(x.transpose(1, 2), (2, 1, 1)).transpose(1, 2)
            x, student = recoupling(x)
            students.append(student)
        return self.project(x.mean((-2, -1)).transpose(1, 2)), tuple(students)


class EagerUmdr(nn.Module):
    """The second family."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        network.spatial = UmdrSpatial3D(network.spatial)

    def prepared(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Return what the reference's loader hands over."""
        return (normalise(frames).contiguous(),)

    def forward(self, clip: Tensor) -> Output:
        output: Output = self.network.classify(clip)
        return output
