"""Depth laid over colour by the calibration that their file has."""

from functools import lru_cache

import numpy as np

from rgbd.camera.calibration import IDENTITY, StreamCamera
from rgbd.camera.distortion import is_known
from rgbd.camera.registration import Registration, between_lenses, stretch
from rgbd.camera.reprojection import Reprojection
from rgbd.recording.streams import Derived, StreamReader
from rgbd.types import Frame

_reprojection = lru_cache(maxsize=4)(Reprojection)  # the clips of a camera follow each other


def registered(depth: StreamReader, color: StreamReader, unit_mm: float) -> tuple[StreamReader, Registration] | None:
    """Return depth, of which one unit is `unit_mm` millimetres, as it lies over colour, and how it does.

    Depth of another lens is drawn anew, frame by frame, from where the colour camera is. None where the file of both
    does not say how they lie, or says what cannot be.
    """
    ours, theirs = depth.camera.intrinsics, color.camera.intrinsics
    pose = depth.camera.pose_to(color.camera)
    if depth.name != color.name or not depth.is_depth or ours is None or theirs is None or pose is None:
        return None
    if (ours.size, theirs.size) != (depth.size, color.size) or not (is_known(ours) and is_known(theirs)):
        return None
    if pose.is_near(IDENTITY) and (ours.model, ours.distortion) == (theirs.model, theirs.distortion):
        return depth, between_lenses(ours, theirs)
    try:
        reprojection = _reprojection(ours, theirs, pose, unit_mm)
    except ValueError:
        return None
    lies_over = stretch(reprojection.size, color.size).model_copy(update={"source": "calibration"})
    return RegisteredDepth(depth, color.camera, reprojection), lies_over


class RegisteredDepth(Derived):
    """A stream of depth whose frames are drawn anew from where the colour camera is."""

    is_depth = True

    def __init__(self, depth: StreamReader, color: StreamCamera, reprojection: Reprojection) -> None:
        super().__init__(depth, reprojection.size, self._drawn)
        self._reprojection, self._stored_size, self.unit_mm = reprojection, depth.size, depth.unit_mm
        self.camera = StreamCamera(reprojection.lens, color.reference, color.to_reference)

    def _drawn(self, frame: Frame) -> Frame:
        if frame.ndim != 2 or frame.shape[1::-1] != self._stored_size:
            return frame  # it is refused by who reads it
        return self._reprojection.draw(frame.astype(np.uint16, copy=False))
