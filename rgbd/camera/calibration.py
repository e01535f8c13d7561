"""What a camera's own file says of its lenses, and of how they lie beside each other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rgbd.camera.intrinsics import DepthCamera, pinhole
from rgbd.types import Size

_FARTHEST_M = 1e8
_LARGEST_PX = 1e6
_ROTATION_TOLERANCE = 1e-3  # files have three decimals at least

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Intrinsics:
    """One lens: focal lengths and centre in pixels of frames of this (width, height), and how it distorts.

    model: how the distortion is called in the file, such as plumb_bob; distortion: its coefficients in that order.
    """

    size: Size
    fx: float
    fy: float
    cx: float
    cy: float
    model: str = ""
    distortion: tuple[float, ...] = ()

    @property
    def can_be(self) -> bool:
        """Whether a lens can have these numbers; those of one that was not calibrated are zeros."""
        lengths = (self.fx, self.fy, abs(self.cx), abs(self.cy), *map(abs, self.distortion))
        return min(self.fx, self.fy) > 0 and all(length < _LARGEST_PX for length in lengths)

    def scaled(self, size: Size) -> "Intrinsics":
        """Return the same lens for frames of the same view in another size; centres of pixels have whole numbers."""
        across, down = (new / old for new, old in zip(size, self.size, strict=True))
        cx, cy = (self.cx + 0.5) * across - 0.5, (self.cy + 0.5) * down - 0.5
        return replace(self, size=size, fx=self.fx * across, fy=self.fy * down, cx=cx, cy=cy)


@dataclass(frozen=True)
class Pose:
    """From one camera to another: place_there = rotation @ place_here + translation_m; x right, y down, z ahead."""

    rotation: tuple[Triple, Triple, Triple]
    translation_m: Triple

    @staticmethod
    def of_quaternion(xyzw: tuple[float, float, float, float], translation_m: Triple) -> "Pose | None":
        """Return the pose that turns by a quaternion; None for one that is no rotation, or leads off the Earth."""
        length = math.hypot(*xyzw)
        if not (0.9 < length < 1.1 and math.hypot(*translation_m) < _FARTHEST_M):
            return None
        x, y, z, w = (value / length for value in xyzw)
        return Pose(
            (
                (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
                (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
                (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
            ),
            translation_m,
        )

    @staticmethod
    def of_matrix(rotation: Sequence[float], translation_m: Triple) -> "Pose | None":
        """Return the pose of nine numbers, row by row; None for those that are no rotation, or lead off the Earth."""
        turn = np.array(rotation, np.float64).reshape(3, 3)
        is_rotation = np.allclose(turn @ turn.T, np.eye(3), atol=_ROTATION_TOLERANCE) and np.linalg.det(turn) > 0
        if not (is_rotation and math.hypot(*translation_m) < _FARTHEST_M):
            return None
        return _pose(turn, np.array(translation_m))

    def apply(self, places_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return places [N, 3] as the other camera has them."""
        return np.asarray(places_m @ np.array(self.rotation).T + np.array(self.translation_m), np.float64)

    def then(self, following: "Pose") -> "Pose":
        """Return the pose that does this one, and then the other."""
        rotation = np.array(following.rotation) @ np.array(self.rotation)
        return _pose(rotation, following.apply(np.array([self.translation_m]))[0])

    def is_near(self, other: "Pose") -> bool:
        """Return whether both are the same, but for what no calibration can tell: 0.01 mm, and 1e-5 radians."""
        turned = np.abs(np.array(self.rotation) - np.array(other.rotation)).max()
        return bool(turned < 1e-5 and math.dist(self.translation_m, other.translation_m) < 1e-5)

    def inverse(self) -> "Pose":
        """Return the way back."""
        back = np.array(self.rotation).T
        return _pose(back, -back @ np.array(self.translation_m))


def _pose(rotation: NDArray[np.float64], translation_m: NDArray[np.float64]) -> Pose:
    first, second, third = ((float(row[0]), float(row[1]), float(row[2])) for row in rotation)
    x, y, z = (float(value) for value in translation_m)
    return Pose((first, second, third), (x, y, z))


IDENTITY = Pose(((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), (0.0, 0.0, 0.0))


@dataclass(frozen=True)
class StreamCamera:
    """What a file says of the camera behind one stream; None is not said.

    intrinsics: of frames as they are stored. reference: the frame of reference in which the camera's place is known,
    which has a meaning within its file only. to_reference: from the camera to there.
    """

    intrinsics: Intrinsics | None = None
    reference: str = ""
    to_reference: Pose | None = None

    def depth_camera(self, size: Size) -> DepthCamera | None:
        """Return where depth's pixels look, without its distortion; None where that of this size is not known."""
        lens = self.intrinsics
        if lens is None or lens.size != size:
            return None
        return pinhole(lens.fx, lens.fy, lens.cx, lens.cy, name="calibration in the file")

    def pose_to(self, other: "StreamCamera") -> Pose | None:
        """Return the way to another camera of the file; None where it is not known."""
        if self.to_reference is None or other.to_reference is None or self.reference != other.reference:
            return None
        return self.to_reference.then(other.to_reference.inverse())
