"""Depth -> whether everything but the people was taken out of it before, as some data sets and sensors' software do."""

import numpy as np

from rgbd.camera.intrinsics import DepthCamera
from rgbd.recording.depth import DepthFrames
from rgbd.types import Depth

_NUM_SAMPLES = 9  # frames that are looked at
_MAX_MEASURED = 0.5  # of a frame: a sensor in a room measures more of it
_MAX_PEOPLE_M2 = 2.8  # two people with what they carry; a floor or a wall in view shows more


def background_is_removed(frames: DepthFrames, camera: DepthCamera) -> bool:
    """Return whether hardly more than people is left of every frame, and something of any.

    What is left is less than half of the frame, and of no larger a surface than two people have.
    """
    # Of most recordings, one frame tells already.
    if _measured_share(frames.spread(1)[0]) > _MAX_MEASURED:
        return False
    samples = frames.spread(_NUM_SAMPLES)
    return any(frame.any() for frame in samples) and all(
        _measured_share(frame) <= _MAX_MEASURED and _surface_m2(frame, camera) <= _MAX_PEOPLE_M2 for frame in samples
    )


def _measured_share(frame: Depth) -> float:
    return np.count_nonzero(frame) / frame.size


def _surface_m2(frame: Depth, camera: DepthCamera) -> float:
    """Return how much surface is seen, as if all of it faced the camera."""
    metres = frame[frame > 0] * np.float32(0.001)
    return float((metres**2).sum() / np.abs(camera.slope.prod()))
