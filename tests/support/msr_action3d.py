"""Files as MSR-Action3D publishes them: depth as .bin, and skeletons as text."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

UNIT_MM = 4


def write_depth(path: Path, frames: Sequence[NDArray[np.integer]], *, num_promised: int | None = None) -> Path:
    """Write depth [H, W] in the file's unit; the header promises as many frames as there are, or `num_promised`."""
    height, width = frames[0].shape
    header = struct.pack("<3i", len(frames) if num_promised is None else num_promised, width, height)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + b"".join(frame.astype("<i4").tobytes() for frame in frames))
    return path


def write_skeleton(path: Path, joints_m: NDArray[np.floating]) -> Path:
    """Write joints in metres [frames, 20, 3], in the data set's order, each with its confidence."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (f"{x:.6f} {y:.6f} {z:.6f} {bool(z):.6f}\n" for x, y, z in joints_m.reshape(-1, 3))
    path.write_text("".join(lines))
    return path
