"""Depth pixels <-> places in front of the depth camera, known from a skeleton's joints or from the kind of sensor."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Fields of view across and upright, in degrees, as the sensors' maker states them.
_KINECT_V2_DEG = (70.6, 60.0)
_KINECT_V1_DEG = (57.0, 43.0)
_KINECT_V2_ASPECT, _KINECT_V1_ASPECT = 512 / 424, 640 / 480
_KINECT_V1_FOCAL_SHARE = 285.63 / 320  # of a frame's width: what Kinect SDK 1.8 projects skeletons to depth frames with

# How far apart lines of sight to joints have to be on average, for the focal length to follow from them: 5 cm at 2.5 m.
_MIN_SPREAD = 0.02


@dataclass(frozen=True)
class DepthCamera:
    """Pinhole: pixel = slope * (x/z, y/z) + centre, both float32 [2]; y points up, so its slope is negative."""

    slope: NDArray[np.float32]
    centre: NDArray[np.float32]

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


def nominal_camera(size: tuple[int, int]) -> DepthCamera:
    """Return the camera of the sensor that frames of this (width, height) come from, by their shape.

    Kinect v2's is nearly square, Kinect v1's and most others' 4:3; some degrees more or less move limits in metres by
    as many per cent.
    """
    width, height = size
    is_v2 = abs(width / height - _KINECT_V2_ASPECT) < abs(width / height - _KINECT_V1_ASPECT)
    across, upright = (math.tan(math.radians(angle) / 2) for angle in (_KINECT_V2_DEG if is_v2 else _KINECT_V1_DEG))
    slope = np.array([width / 2 / across, -height / 2 / upright], np.float32)
    return DepthCamera(slope, np.array([(width - 1) / 2, (height - 1) / 2], np.float32))


def kinect_v1_camera(size: tuple[int, int]) -> DepthCamera:
    """Return the camera that a Kinect v1's skeletons lie before, in depth frames of this (width, height).

    Source: NuiTransformSkeletonToDepthImage and NUI_CAMERA_DEPTH_NOMINAL_FOCAL_LENGTH_IN_PIXELS of Kinect SDK 1.8.
    """
    width, height = size
    focal = _KINECT_V1_FOCAL_SHARE * width
    return DepthCamera(np.array([focal, -focal], np.float32), np.array([width / 2, height / 2], np.float32))
