"""A training step under torch.compile, beside one that is not; its first step compiles for a minute or more."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.gpu_check.rows import Row, skipped
from benchmarks.gpu_check.steps import BF16, Variant, step_rows

_COMPILED = Variant("bf16, compiled", 5e-2, {**BF16.compute, "compile": True}, tf32=True)


def check(device: str, _folder: Path) -> Iterator[Row]:
    if device == "cpu":
        yield skipped("dsn bf16, compiled", "on the CPU it compiles longer than the whole check takes")
    else:
        yield from step_rows(device, "dsn", (BF16, _COMPILED))
