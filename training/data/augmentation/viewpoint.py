"""Stage 2, depth: the scene as a camera beside, above or below would have recorded it, in millimetres."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbd.types import Depth, Frame, Stream
from training.config.augmentation import ViewpointConfig
from training.data.augmentation.stages import each_once

_FARTHEST_MM = np.iinfo(np.uint16).max
_IS_GAP = 5  # of a pixel's eight neighbours were hit, and it was not: a ray that no point fell on


@dataclass(frozen=True)
class Viewpoint:
    """A camera that went around what is in the middle distance, by the same angles for all frames of a clip."""

    config: ViewpointConfig
    name = "viewpoint"
    stream: ClassVar[Stream] = "depth"

    @property
    def is_active(self) -> bool:
        """Whether the camera of any clip moves."""
        return self.config.probability > 0

    def change(self, frames: Sequence[Frame], rng: np.random.Generator) -> Sequence[Frame]:
        """Return the frames from another viewpoint, or as they are; 8-bit images, which have no distances, too."""
        if rng.random() >= self.config.probability or frames[0].ndim == 3:
            return frames
        measured = np.concatenate([frame[frame > 0] for frame in frames])
        if not measured.size:
            return frames
        yaw, pitch = (math.radians(rng.uniform(-most, most)) for most in (self.config.yaw_deg, self.config.pitch_deg))
        turn = _turned_down(pitch) @ _turned_aside(yaw)
        pivot_mm = float(np.median(measured))
        focal_px = frames[0].shape[1] / (2 * math.tan(math.radians(self.config.field_of_view_deg) / 2))
        return each_once(
            frames, lambda frame: _seen_anew(frame.astype(np.uint16, copy=False), turn, pivot_mm, focal_px)
        )


def _turned_aside(angle: float) -> NDArray[np.float64]:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def _turned_down(angle: float) -> NDArray[np.float64]:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])


def _seen_anew(depth: Depth, turn: NDArray[np.float64], pivot_mm: float, focal_px: float) -> Depth:
    """Return the frame [H, W] after its points were turned around the one at `pivot_mm` in the middle of the view.

    Of points on one pixel the nearest is seen; what the first camera did not see stays unmeasured, 0.
    """
    height, width = depth.shape
    centre = np.array([[(width - 1) / 2], [(height - 1) / 2]])
    rows, columns = np.nonzero(depth)
    distance = depth[rows, columns].astype(np.float64)
    aside = (np.stack([columns, rows]) - centre) * distance / focal_px
    pivot = np.array([[0], [0], [pivot_mm]])
    points = turn @ (np.vstack([aside, distance]) - pivot) + pivot
    points = points[:, points[2] >= 1]
    x, y = np.rint(points[:2] * focal_px / points[2] + centre).astype(np.int64)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    seen = np.full(depth.shape, _FARTHEST_MM, np.uint16)
    nearest = np.minimum(np.rint(points[2, inside]), _FARTHEST_MM - 1).astype(np.uint16)
    np.minimum.at(seen, (y[inside], x[inside]), nearest)
    return _without_gaps(np.where(seen == _FARTHEST_MM, np.uint16(0), seen))


def _without_gaps(depth: Depth) -> Depth:
    """Return the frame with the pixels filled that lie within what was hit, by the mean of their neighbours."""
    around = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.float32)
    count = cv2.filter2D((depth > 0).astype(np.float32), -1, around, borderType=cv2.BORDER_CONSTANT)
    total = cv2.filter2D(depth.astype(np.float32), -1, around, borderType=cv2.BORDER_CONSTANT)
    is_gap = (depth == 0) & (count >= _IS_GAP)
    return np.where(is_gap, np.rint(total / np.maximum(count, 1)).astype(np.uint16), depth)
