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
        view = _View.of(frames[0].shape[:2], self.config.field_of_view_deg)
        turn = (_turned_down(pitch) @ _turned_aside(yaw)).astype(np.float32)
        pivot = np.array([[0], [0], [np.median(measured)]], np.float32)
        return each_once(frames, lambda frame: _seen_anew(frame.astype(np.uint16, copy=False), turn, pivot, view))


@dataclass(frozen=True)
class _View:
    """How a camera sees: its focal length in pixels, its centre [2, 1], and each pixel's place at 1 mm, [3, H * W]."""

    focal_px: float
    centre: NDArray[np.float32]
    rays: NDArray[np.float32]

    @classmethod
    def of(cls, size: tuple[int, ...], field_of_view_deg: float) -> "_View":
        """Return the view of frames of this size, (rows, columns)."""
        height, width = size
        focal_px = width / (2 * math.tan(math.radians(field_of_view_deg) / 2))
        centre = np.array([[(width - 1) / 2], [(height - 1) / 2]], np.float32)
        pixels = np.indices((height, width), np.float32)[::-1].reshape(2, -1)
        rays = np.vstack([(pixels - centre) / focal_px, np.ones((1, height * width))])
        return cls(focal_px, centre, rays.astype(np.float32))


def _turned_aside(angle: float) -> NDArray[np.float64]:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def _turned_down(angle: float) -> NDArray[np.float64]:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])


def _seen_anew(depth: Depth, turn: NDArray[np.float32], pivot: NDArray[np.float32], view: _View) -> Depth:
    """Return the frame [H, W] after its points were turned around `pivot`, [3, 1] in millimetres.

    Of points on one pixel the nearest is seen; what the first camera did not see stays unmeasured, 0.
    """
    height, width = depth.shape
    places = np.flatnonzero(depth)
    points = turn @ (view.rays[:, places] * depth.reshape(-1)[places] - pivot) + pivot
    points = points[:, points[2] >= 1]
    x, y = np.rint(points[:2] * (view.focal_px / points[2]) + view.centre).astype(np.int64)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    seen = np.full(depth.size, _FARTHEST_MM, np.uint16)
    nearest = np.minimum(np.rint(points[2, inside]), _FARTHEST_MM - 1).astype(np.uint16)
    np.minimum.at(seen, y[inside] * width + x[inside], nearest)
    seen[seen == _FARTHEST_MM] = 0
    return _without_gaps(seen.reshape(depth.shape))


def _without_gaps(depth: Depth) -> Depth:
    """Return the frame with the pixels filled that lie within what was hit, by the mean of their neighbours."""
    is_hit = (depth > 0).astype(np.uint8)
    count = cv2.boxFilter(is_hit, cv2.CV_8U, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
    gaps = (is_hit == 0) & (count >= _IS_GAP)
    total = cv2.boxFilter(depth, cv2.CV_32F, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
    filled = depth.copy()
    filled[gaps] = np.rint(total[gaps] / count[gaps])
    return filled
