"""Depth pixels <-> places in front of the depth camera, known from calibration or from a skeleton's joints."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# How far apart lines of sight to joints have to be on average, for the focal length to follow from them: 5 cm at 2.5 m.
_MIN_SPREAD = 0.02


@dataclass(frozen=True)
class DepthCamera:
    """Pinhole: pixel = slope * (x/z, y/z) + centre, both float32 [2]; y points up, so its slope is negative.

    name: what records call it. doubt: why the true one may be another, in words, where it was guessed.
    """

    slope: NDArray[np.float32]
    centre: NDArray[np.float32]
    name: str = ""
    doubt: str | None = None

    def project(self, places_m: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the pixels, float32 [N, 2], of places in metres [N, 3]; NaN for those not before the camera."""
        z = np.where(places_m[:, 2:] > 0, places_m[:, 2:], np.float32(np.nan))
        return np.asarray(places_m[:, :2] / z * self.slope + self.centre, np.float32)

    def tangents(self, shape: tuple[int, ...], step: int = 1) -> "Tangents":
        """Return the lines of sight of every `step`-th pixel of every `step`-th row of frames [H, W]."""
        columns, rows = (
            (np.arange(0, length, step, dtype=np.float32) - self.centre[axis]) / self.slope[axis]
            for axis, length in enumerate(shape[1::-1])
        )
        return Tangents(columns[None, :], rows[:, None])


@dataclass(frozen=True)
class Tangents:
    """x/z of every column, float32 [1, W], and y/z of every row, float32 [H, 1]."""

    columns: NDArray[np.float32]
    rows: NDArray[np.float32]

    def part(self, rows: slice, columns: slice) -> "Tangents":
        """Return those of a part of the frame."""
        return Tangents(self.columns[:, columns], self.rows[rows])

    def points(self, z_m: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the places in metres, float32 [H, W, 3], of distances [H, W]."""
        return np.stack([self.columns * z_m, self.rows * z_m, z_m], axis=-1)

    def points_at(self, places: tuple[NDArray[np.intp], ...], z_m: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the places in metres, float32 [N, 3], of distances [N] in these rows and columns, int [N] each."""
        rows, columns = places
        return np.column_stack([self.columns[0, columns] * z_m, self.rows[rows, 0] * z_m, z_m])


def fit_camera(joints_m: NDArray[np.float32], depth_xy: NDArray[np.float32]) -> DepthCamera | None:
    """Return the depth camera that joints' places [N, 3] and pixels [N, 2] imply; None where they are too few to tell.

    Joints of which one of both is not finite do not count. Somebody who stands with their arms down is narrow: what the
    joints do not tell across, they tell upright, because pixels are square.
    """
    joints, pixels = joints_m.astype(np.float64), depth_xy.astype(np.float64)
    usable = np.isfinite(joints).all(axis=1) & np.isfinite(pixels).all(axis=1) & (joints[:, 2] > 0)
    tangents, pixels = joints[usable, :2] / joints[usable, 2:], pixels[usable]
    if len(pixels) == 0:
        return None
    is_spread = tangents.std(axis=0) >= _MIN_SPREAD
    if not is_spread.any():
        return None  # no body stands like that, these joints are broken
    lines = {axis: np.polyfit(tangents[:, axis], pixels[:, axis], 1) for axis in np.flatnonzero(is_spread).tolist()}
    for axis, sign in enumerate((1, -1)):
        if axis not in lines:
            slope = sign * abs(lines[1 - axis][0])
            lines[axis] = np.array([slope, pixels[:, axis].mean() - slope * tangents[:, axis].mean()])
    return DepthCamera(*np.array([lines[0], lines[1]], np.float32).T)


def pinhole(fx: float, fy: float, cx: float, cy: float, name: str) -> DepthCamera:
    """Return the camera with these focal lengths and this centre in pixels, as calibrations give them."""
    return DepthCamera(np.array([fx, -fy], np.float32), np.array([cx, cy], np.float32), name)
