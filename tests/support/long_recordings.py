"""Long recordings in which one colour follows another, for a model that names the brightest one."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.tiny_bundle import make_bundle
from export.bundle.folder import read_bundle, write_manifest
from rgbd.types import Frame
from tests.support.uploads import at_rate, timed_video

FPS = 20
RED, GREEN, GREY = (200, 0, 0), (0, 200, 0), (90, 90, 90)


def coloured(*stretches: tuple[tuple[int, int, int], float]) -> list[Frame]:
    """Return frames of 64x48, so many seconds of each colour."""
    return [np.full((48, 64, 3), color, np.uint8) for color, seconds in stretches for _ in range(round(seconds * FPS))]


def long_video(path: Path) -> Path:
    """Write eleven seconds: grey, red from 2 to 5, grey, green from 7 on."""
    timed_video(path, at_rate(coloured((GREY, 2), (RED, 3), (GREY, 2), (GREEN, 4)), FPS))
    return path


def lasting_a_second(folder: Path, *args: Any, **options: Any) -> Path:
    """Write a bundle whose training clips lasted a second."""
    bundle = read_bundle(make_bundle(folder, *args, **options))
    write_manifest(bundle.folder, bundle.manifest.model_copy(update={"clip_s": 1.0}))
    return bundle.folder
