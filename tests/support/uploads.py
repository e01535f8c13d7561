"""The same short clip in every kind of container."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rgbd.recording.images import write_image
from rgbd.recording.video import write_video
from rgbd.types import Frame

NUM_FRAMES = 12


def rgb_frames(num_frames: int = NUM_FRAMES) -> list[Frame]:
    """Return smooth pictures, 64x48, that lossy codecs hardly change: ever redder."""
    return [np.full((48, 64, 3), (100 + 10 * i, 60, 40), np.uint8) for i in range(num_frames)]


def depth_frames(num_frames: int = NUM_FRAMES) -> list[Frame]:
    """Return a slope, 64x48, from 1 m to nearly 4 m, that comes nearer."""
    slope = np.linspace(1500, 3900, 64, dtype=np.uint16)[None].repeat(48, axis=0)
    return [slope - np.uint16(40 * i) for i in range(num_frames)]


def video(folder: Path, frames: Sequence[Frame], suffix: str) -> bytes:
    path = folder / f"clip{suffix}"
    write_video(path, frames)
    return path.read_bytes()


def zipped(folder: Path, frames: Sequence[Frame], suffix: str = ".png", name: str = "frames/{}") -> bytes:
    """Return a zip of images, stored in a shuffled order and numbered without leading zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("__MACOSX/frames/._1.png", b"left behind by an archiver")
        for index in np.random.default_rng(0).permutation(len(frames)):
            path = folder / f"one{suffix}"
            write_image(path, frames[index])
            archive.writestr(name.format(f"{index}{suffix}"), path.read_bytes())
    return buffer.getvalue()


def npz(frames: Sequence[Frame]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, np.stack(frames))
    return buffer.getvalue()


FILES = {"rgb": npz(rgb_frames()), "depth": npz(depth_frames())}
"""A request of both streams, as `post` takes it."""
