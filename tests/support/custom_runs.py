"""Recordings of one's own, the manifest that names them, and runs of `preprocess.custom`."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from preprocess.custom.dataset import main
from rgbd.recording.stills.images import write_image


def write_frames(folder: Path, num_frames: int = 3, suffix: str = ".png") -> Path:
    """Write grey frames, 80x60, of depth in .png or of colour in .jpg, and return their folder."""
    for index in range(num_frames):
        folder.mkdir(parents=True, exist_ok=True)
        image = np.full((60, 80), 900 + index, np.uint16) if suffix == ".png" else np.full((60, 80, 3), 90, np.uint8)
        write_image(folder / f"{index + 1:05d}{suffix}", image)
    return folder


def write_csv(path: Path, *rows: dict[str, Any]) -> Path:
    """Write rows, whose columns may differ, below a head, and return the path."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    return path


def run(manifest: Path, out: Path, *options: str) -> int:
    """Return the exit code of a run in this process."""
    return main(["--manifest", str(manifest), "--out", str(out), "--jobs", "1", *options])
