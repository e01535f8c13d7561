"""Recordings of twenty minutes: read frame by frame, they need little memory however long they are."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.support.ros_bags import image, write_bag
from rgbd.recording.formats import open_stream
from rgbd.recording.streams import frame_of
from rgbd.recording.videos.video import write_video
from rgbd.types import Depth

NUM_FRAMES = 20 * 60 * 30
FRAME: Depth = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32)


def as_mkv(folder: Path) -> Path:
    write_video(folder / "long.mkv", (FRAME + np.uint16(number) for number in range(NUM_FRAMES)))
    return folder / "long.mkv"


def as_bag(folder: Path) -> Path:
    said = [image("16UC1", FRAME + np.uint16(number), 10**9 + number * 10**9 // 30) for number in range(NUM_FRAMES)]
    return write_bag(folder, "bag", {"/depth/image": said})


@pytest.mark.parametrize("write", [as_mkv, as_bag])
def test_twenty_minutes_are_read_in_little_memory(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    path = write(tmp_path)
    tracemalloc.start()
    stream = open_stream(path, "depth")
    few = [int(frame_of(picture)[0, 0]) for picture in stream.read([0, 18_000, NUM_FRAMES - 1])]
    num_frames = sum(1 for _ in stream.read())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert few == [0, 18_000, NUM_FRAMES - 1] and num_frames == NUM_FRAMES
    assert stream.times_s is not None and stream.times_s[-1] - stream.times_s[0] == pytest.approx(1200, abs=0.1)
    assert peak < 30 << 20  # where each frame lies, and when it was taken; all frames have 55 MB
