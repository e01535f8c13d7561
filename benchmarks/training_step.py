"""One training step, forward, loss and backward, beside an eager Conv3d form of the same network; and its memory.

Run: `python -m benchmarks.training_step [--frames 64] [--size 128] [--batch 2]` on Linux. The rows alternate in one
run, each in a process of its own, and the best of all counts, because machines are shared. The Conv3d form takes its
guidance ready made, as the reference's loader hands it over; with the loop it computes similarities one by one, as the
reference does in every forward pass (docs/method.md, "What the reference does differently", row 10).
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn

from export.runtimes.machine import peak_memory_mb
from training.config.schema import TrainingConfig
from training.data.loader import Batch
from training.networks.dsn.config import LossConfig, NetworkConfig
from training.networks.dsn.guidance import normalise, rank_pool
from training.networks.dsn.inception import BLOCKS
from training.networks.dsn.loss import unimodal_loss
from training.networks.dsn.single_stream import UnimodalNet, UnimodalOutput
from training.run.checkpoint import build_network
from training.run.cpu import keep_memory
from training.run.distributed import Process
from training.run.step import Stepper

ROUNDS, STEPS = 2, 4
NUM_CLASSES = 60
NUM_MAPS = 24  # attention maps of a clip, 8 heads of 3 branches, that are compared each with each: 576 similarities


def pad_same_3d(x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    pads: list[int] = []
    for size, k, s in reversed(list(zip(x.shape[2:], kernel, stride, strict=True))):
        total = max(k - s if size % s == 0 else k - size % s, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads) if any(pads) else x


def pool_3d(x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    return F.max_pool3d(pad_same_3d(x, kernel, stride), tuple(kernel), tuple(stride))


class Unit3D(nn.Module):
    """Convolution, batch norm, ReLU on [B, C, T, H, W]."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = (1, kernel, kernel), (1, stride, stride)
        self.conv = nn.Conv3d(inputs, outputs, self.kernel, self.stride, bias=False)
        self.norm = nn.BatchNorm3d(outputs, eps=1e-3, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(pad_same_3d(x, self.kernel, self.stride))))


class Inception3D(nn.Module):
    def __init__(self, inputs: int, channels: Sequence[int]) -> None:
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = channels
        self.b0, self.b3b = Unit3D(inputs, b0, 1), Unit3D(inputs, b3b, 1)
        self.b1 = nn.Sequential(Unit3D(inputs, b1a, 1), Unit3D(b1a, b1b, 3))
        self.b2 = nn.Sequential(Unit3D(inputs, b2a, 1), Unit3D(b2a, b2b, 3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.b0(x), self.b1(x), self.b2(x), self.b3b(pool_3d(x, (3, 3, 3), (1, 1, 1)))], 1)


class Spatial3D(nn.Module):
    """`training.networks.dsn.inception.SpatialNet` without folding time into the batch."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.stem = nn.ModuleList([Unit3D(3, 64, 7, 2), Unit3D(64, 64, 1), Unit3D(64, 192, 3)])
        self.blocks = nn.ModuleDict()
        inputs = 192
        for name, channels in BLOCKS.items():
            self.blocks[name] = Inception3D(inputs, channels)
            inputs = channels[0] + channels[2] + channels[4] + channels[5]
        self.project = nn.Sequential(nn.LayerNorm(inputs), nn.Linear(inputs, dim))
        self.weights = nn.Parameter(torch.tensor([1.0, 0.0]))

    def forward(self, clip: Tensor, guidance: Tensor) -> Tensor:
        """[B, T, 3, H, W], [B, T, 1, H, W] -> [B, T, dim]."""
        x, maps = clip.transpose(1, 2), guidance.transpose(1, 2)
        x = pool_3d(self.stem[0](x), (1, 3, 3), (1, 2, 2))
        x = pool_3d(self.stem[2](self.stem[1](x)), (1, 3, 3), (1, 2, 2))
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


class Eager3D(nn.Module):
    """The published network in the plain form, by the temporal part of ours."""

    def __init__(self, network: UnimodalNet, *, compares: bool) -> None:
        super().__init__()
        self.network, self.compares = network, compares
        network.backbone.spatial = Spatial3D(512)  # type: ignore[assignment]

    def forward(self, clip: Tensor, guidance: Tensor) -> UnimodalOutput:
        features = self.network.backbone.spatial(clip, guidance)
        if self.compares:
            for sample in features:
                maps = [(sample @ sample.T).flatten() for _ in range(NUM_MAPS)]
                for first in maps:
                    for second in maps:
                        F.cosine_similarity(first, second, dim=0)
        return self.network.classify(self.network.backbone.temporal(features, None))


def clips(options: argparse.Namespace) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (options.batch, options.frames, options.size, options.size, 3)
    return torch.randint(0, 255, shape, dtype=torch.uint8, generator=generator)


def ours(options: argparse.Namespace, **compute: object) -> Callable[[], object]:
    """Return a function that does forward, loss and backward, and the optimizer's step."""
    config = TrainingConfig.model_validate(
        {"modality": "rgb", "clip": {"num_frames": options.frames}, "compute": compute}
    )
    stepper = Stepper(build_network(config, NUM_CLASSES), config, Process(0, 1, torch.device("cpu")))
    labels = torch.arange(options.batch)
    batch = Batch((clips(options),), labels, labels)
    return lambda: stepper.step([batch], [np.random.default_rng(0)], epoch=config.schedule.warmup_epochs)


def eager(options: argparse.Namespace, *, compares: bool) -> Callable[[], object]:
    config = TrainingConfig.model_validate({"modality": "rgb", "clip": {"num_frames": options.frames}})
    settings, weights = cast(NetworkConfig, config.network), cast(LossConfig, config.loss)
    network = Eager3D(UnimodalNet(settings, NUM_CLASSES, options.frames), compares=compares)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    clip = normalise(clips(options)).contiguous()
    guidance = rank_pool(clip, settings.guidance_window)
    labels = torch.arange(options.batch)

    def step() -> None:
        loss = unimodal_loss(network(clip, guidance), labels, weights, distil=1.0, sum_distillation=False)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()

    return step


FORMS: dict[str, Callable[[argparse.Namespace], Callable[[], object]]] = {
    "eager Conv3d, cosine loop": lambda options: eager(options, compares=True),
    "eager Conv3d": lambda options: eager(options, compares=False),
    "ours": ours,
    "ours, activation checkpointing": lambda options: ours(options, checkpoint_activations=True),
    "ours, bf16 autocast": lambda options: ours(options, autocast="bf16"),
}


def measure_here(options: argparse.Namespace) -> None:
    """Print the best seconds and the peak memory of the form that `options` names."""
    if options.form.startswith("ours"):
        keep_memory()  # as training does
    step = FORMS[options.form](options)
    seconds = []
    for _ in range(1 + STEPS):  # the first one warms up
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    print(json.dumps([min(seconds[1:]), peak_memory_mb() / 1e3]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--form", choices=FORMS, help=argparse.SUPPRESS)  # of the processes that it starts
    options = parser.parse_args()
    if options.form:
        measure_here(options)
        return
    best = dict.fromkeys(FORMS, (float("inf"), 0.0))
    for name in track([*FORMS] * ROUNDS, "measuring", console=Console(stderr=True)):
        command = [sys.executable, "-m", "benchmarks.training_step", *sys.argv[1:], "--form", name]
        seconds, gigabytes = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        best[name] = min(best[name], (seconds, gigabytes))
    table = Table(f"one step, {options.batch}x{options.frames}x{options.size}x{options.size}", "s", box=None)
    for column in ("times as fast as Conv3d with loop", "as Conv3d", "GB at most"):
        table.add_column(column, justify="right")
    first, second = [seconds for seconds, _ in best.values()][:2]
    for name, (seconds, gigabytes) in best.items():
        row = (f"{seconds:.2f}", f"{first / seconds:.2f}", f"{second / seconds:.2f}", f"{gigabytes:.1f}")
        table.add_row(name, *row)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
