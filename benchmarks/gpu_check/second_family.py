"""The second family: its numbers, a step in three precisions, and its exported graph."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.gpu_check.numbers import compare
from benchmarks.gpu_check.rows import Row
from benchmarks.gpu_check.runtimes import runtime_rows
from benchmarks.gpu_check.steps import BF16, FP32, TF32, step_rows


def check(device: str, folder: Path) -> Iterator[Row]:
    yield from compare(device, "umdr", "rgb")
    yield from step_rows(device, "umdr", (FP32, TF32, BF16))
    yield from runtime_rows(device, "umdr", "rgb", folder)
