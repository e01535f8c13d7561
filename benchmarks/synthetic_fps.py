"""Frames per second and core at which `preprocess.synthetic` renders recordings, beside their mere encoding.

Run: `python -m benchmarks.synthetic_fps` on Linux; it keeps to one core.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.recording import Recording, RecordingJob, write_recording
from rgbd.recording.stills.images import write_image
from rgbd.recording.videos.video import write_video

INDEXES = range(10)  # one recording of each motion
SEED = 0
FRAMES_TO_ENCODE = 20  # as uncompressed frames these already take 150 MB


def rendered_fps(out: Path) -> float:
    """Return frames/s of whole recordings: rendered, encoded, written."""
    start = time.perf_counter()
    for index in INDEXES:
        write_recording(RecordingJob(out, index, SEED, 1.0))
    return sum(Recording(index, SEED, 1.0).num_frames for index in INDEXES) / (time.perf_counter() - start)


def encoded_fps(out: Path) -> float:
    """Return frames/s of writing frames that lie ready in memory, in the same formats."""
    ready = [frame for frame, _ in zip(Recording(0, SEED, 1.0).frames(), range(FRAMES_TO_ENCODE), strict=False)]

    def colors() -> Iterator[NDArray[np.uint8]]:
        for frame in ready:
            write_image(out / "depth.png", frame.depth_mm)
            write_image(out / "mask.png", frame.mask.astype(np.uint8) * np.uint8(255))
            yield frame.color

    start = time.perf_counter()
    write_video(out / "color.avi", colors())
    return len(ready) / (time.perf_counter() - start)


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        write_recording(RecordingJob(Path(folder), 0, SEED, 1.0))  # the room and the noise are made once a process
        rendered, encoded = rendered_fps(Path(folder)), encoded_fps(Path(folder))
    print(f"rendered, encoded and written: {rendered:.1f} frames/s per core at 1920x1080 + 512x424")
    print(f"encoded and written only:      {encoded:.1f} frames/s per core, {encoded / rendered:.2f} times as many")


if __name__ == "__main__":
    main()
