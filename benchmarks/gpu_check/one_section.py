"""A section in a process of its own: `python -m benchmarks.gpu_check.one_section MODULE DEVICE FOLDER`.

Each row is written as soon as it is known, so that what a crash or a time limit ends has told what it knew.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks.gpu_check.rows import Row, skipped

ROWS_FILE = "rows.jsonl"


def main(module: str, device: str, folder: str) -> None:
    with (Path(folder) / ROWS_FILE).open("w", encoding="utf-8") as file:
        for row in _rows(module, device, Path(folder)):
            print(json.dumps(asdict(row)), file=file, flush=True)


def _rows(module: str, device: str, folder: Path) -> Iterator[Row]:
    """Yield what the section finds; what a package would be needed for that is not there is skipped."""
    try:
        yield from import_module(module).check(device, folder)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or find_spec(package) is not None:
            raise
        yield skipped("the rest", f"{package} is not installed")


if __name__ == "__main__":
    main(*sys.argv[1:])
