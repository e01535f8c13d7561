"""What was found, as one table and as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.gpu_check.rows import Row
from benchmarks.gpu_check.runner import Outcome
from rgbd.files import atomic_file

_STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow"}
_WIDTH = 80


def show(outcomes: Sequence[Outcome], machine: Mapping[str, str]) -> None:
    """Print the table, and beneath it why something failed or was skipped."""
    console = Console(width=_WIDTH, highlight=False)
    console.print("\n".join(f"{name}: {value}" for name, value in machine.items()), markup=False)
    table = Table("section", "what", box=None, pad_edge=False)
    for column in ("value", "limit", ""):
        table.add_column(column, justify="right", no_wrap=True)
    for outcome in outcomes:
        name = f"{outcome.section}, {outcome.seconds:.0f} s"
        for row in outcome.rows:
            status = f"[{_STYLES[row.status]}]{row.status}[/]"
            table.add_row(name, Text(row.what), _value(row), "" if row.limit is None else f"{row.limit:g}", status)
            name = ""
    console.print(table)
    for outcome in outcomes:
        for row in outcome.rows:
            if row.reason:
                console.print(f"{row.status}: {outcome.section}, {row.what}: {row.reason}", markup=False)


def _value(row: Row) -> str:
    return "" if row.value is None else f"{row.value:.3g} {row.unit}".rstrip()


def write(path: Path, outcomes: Sequence[Outcome], machine: Mapping[str, str]) -> None:
    """Write the same as JSON, atomically."""
    content = {"machine": machine, "sections": [asdict(outcome) for outcome in outcomes]}
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
