"""The two cameras of a Kinect v2, and where they stand."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BASELINE_M = 0.05  # the colour lens sits this far right of the depth lens


@dataclass(frozen=True)
class Camera:
    """A pinhole camera. Points it sees are x right, y up, z away, in metres, from the depth camera's lens."""

    width: int
    height: int
    fov_deg: tuple[float, float]
    offset_m: float = 0.0

    @cached_property
    def focal_px(self) -> tuple[float, float]:
        """Pixels per unit of x/z and of y/z."""
        across, upright = (math.tan(math.radians(angle) / 2) for angle in self.fov_deg)
        return self.width / 2 / across, self.height / 2 / upright

    @cached_property
    def tangents(self) -> tuple[Floats, Floats]:
        """x/z of every column, float32 [W], and y/z of every row, float32 [H]: the lines of sight."""
        columns = (np.arange(self.width) - (self.width - 1) / 2) / self.focal_px[0]
        rows = ((self.height - 1) / 2 - np.arange(self.height)) / self.focal_px[1]
        return columns.astype(np.float32), rows.astype(np.float32)

    @cached_property
    def lens(self) -> Floats:
        """Where this camera's lens is, float32 [3]."""
        return np.array((self.offset_m, 0, 0), np.float32)

    def seen_from(self, points: Floats) -> Floats:
        """Return points [..., 3] as seen from this camera's own lens."""
        return points - self.lens

    def project(self, points: Floats) -> Floats:
        """Return the pixels, float32 [..., 2], of points [..., 3]; pixel (0, 0) is the middle of the first one."""
        own = self.seen_from(points)
        x = (self.width - 1) / 2 + self.focal_px[0] * own[..., 0] / own[..., 2]
        y = (self.height - 1) / 2 - self.focal_px[1] * own[..., 1] / own[..., 2]
        return np.stack([x, y], axis=-1).astype(np.float32)


def kinect(scale: float) -> tuple[Camera, Camera]:
    """Return the colour and the depth camera, their images shrunk by `scale`; fields of view are the Kinect v2's."""
    color = Camera(_even(1920 * scale), _even(1080 * scale), (84.1, 53.8), BASELINE_M)
    return color, Camera(_even(512 * scale), _even(424 * scale), (70.6, 60.0))


def _even(length: float) -> int:
    return 2 * round(length / 2)  # the video codec halves its colour planes


@dataclass(frozen=True)
class Mount:
    """Where the cameras stand: above the room's origin, looking along its z axis, tilted down by `tilt_deg`."""

    height_m: float
    tilt_deg: float

    @cached_property
    def rotation(self) -> Floats:
        """Rows: the camera's right, up and forward in the room."""
        sin, cos = math.sin(math.radians(self.tilt_deg)), math.cos(math.radians(self.tilt_deg))
        return np.array([(1, 0, 0), (0, cos, sin), (0, -sin, cos)], np.float32)

    def to_camera(self, points: Floats) -> Floats:
        """Return room points [..., 3] (x right, y up from the floor, z away) in the depth camera's frame."""
        return np.asarray((points - np.array((0, self.height_m, 0), np.float32)) @ self.rotation.T, np.float32)

    def to_room(self, points: Floats) -> Floats:
        """Return points [..., 3] of the depth camera's frame in the room."""
        return np.asarray(points @ self.rotation + np.array((0, self.height_m, 0), np.float32), np.float32)
