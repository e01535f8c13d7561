"""A training step in each precision and memory layout: clips a second, memory, and its loss beside float32's."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from benchmarks.gpu_check.networks import config_of, seeded_clips, seeded_network, use_tf32
from benchmarks.gpu_check.rows import Row, compared, failed, measured, skipped
from export.runtimes.machine import forget_peak_memory, peak_memory_mb
from training.data.loader import Batch
from training.run.distributed import Process
from training.run.step import Stepper

_WARM_UP, _TIMED = {"cuda": 3, "cpu": 1}, {"cuda": 6, "cpu": 1}
_BATCH = {"cuda": 6, "cpu": 2}  # the published one


@dataclass(frozen=True)
class Variant:
    """A way to compute a step. limit: how far its first loss may lie from float32's, in relation to that."""

    name: str
    limit: float
    compute: Mapping[str, object] = field(default_factory=dict)
    tf32: bool = False
    channels_last: bool = True


FP32 = Variant("fp32", 1e-6)
TF32, BF16 = Variant("TF32", 1e-2, tf32=True), Variant("bf16", 5e-2, {"autocast": "bf16"}, tf32=True)
_VARIANTS = (
    FP32,
    TF32,
    BF16,
    Variant("fp16 with scaler", 2e-2, {"autocast": "fp16"}, tf32=True),
    Variant("bf16, not channels-last", 5e-2, BF16.compute, tf32=True, channels_last=False),
)


def check(device: str, _folder: Path) -> Iterator[Row]:
    yield from step_rows(device, "dsn", _VARIANTS)


def step_rows(device: str, family: str, variants: tuple[Variant, ...]) -> Iterator[Row]:
    """Yield the figures of each variant; the first is float32, which the others' losses are compared with."""
    expected = None
    for variant in variants:
        name = f"{family} {variant.name}"
        if reason := _missing(device, variant):
            yield skipped(name, reason)
            continue
        try:
            figures = _measure(device, family, variant)
        except torch.cuda.OutOfMemoryError as error:
            yield failed(name, str(error).split("\n", maxsplit=1)[0])
            continue
        expected = expected or figures.loss
        yield measured(f"{name}: speed", figures.clips_per_s, "clips/s")
        yield measured(f"{name}: memory", figures.gigabytes, "GB")
        yield compared(f"{name}: first loss, from fp32's", abs(figures.loss / expected - 1), variant.limit)


def _missing(device: str, variant: Variant) -> str:
    """Return what of the variant the device has not, "" where nothing is missing."""
    if device == "cpu":
        return "TF32 is a GPU's" if variant is TF32 else ""
    if variant.compute.get("autocast") == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "this GPU has no bf16"
    if variant is TF32 and torch.cuda.get_device_capability() < (8, 0):
        return "this GPU has no TF32"
    return ""


@dataclass(frozen=True)
class _Figures:
    loss: float
    clips_per_s: float
    gigabytes: float


def _measure(device: str, family: str, variant: Variant) -> _Figures:
    use_tf32(variant.tf32)
    config = config_of(device, family, "rgb", **variant.compute)
    stepper = Stepper(seeded_network(config), config, Process(0, 1, torch.device(device)))
    if not variant.channels_last:
        for parameter in stepper.network.parameters():
            parameter.data = parameter.data.contiguous()
    size = _BATCH[device]
    labels = torch.arange(size)
    batch = Batch(seeded_clips(config, size), labels, labels)

    def step() -> float:
        figures = stepper.step([batch], [np.random.default_rng(0)], epoch=config.schedule.warmup_epochs + 1)
        return figures.loss / size

    _forget_memory(device)
    losses = [step() for _ in range(_WARM_UP[device])]
    _wait(device)
    start = time.perf_counter()
    for _ in range(_TIMED[device]):
        step()
    _wait(device)
    seconds = time.perf_counter() - start
    return _Figures(losses[0], size * _TIMED[device] / seconds, _gigabytes(device))


def _wait(device: str) -> None:
    """Wait until a GPU has done what it was told to."""
    if device == "cuda":
        torch.cuda.synchronize()


def _forget_memory(device: str) -> None:
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    else:
        forget_peak_memory()


def _gigabytes(device: str) -> float:
    """Return the most memory since `_forget_memory`: of tensors on a GPU, of this whole process on the CPU."""
    return torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else peak_memory_mb() / 1e3
