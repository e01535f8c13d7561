"""Depth as the colour camera would have measured it: each pixel goes where calibration puts what it shows."""

from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbd.camera.calibration import Intrinsics, Pose
from rgbd.camera.distortion import lines_of_sight, pixels_of
from rgbd.types import Depth, Size

_NOTHING = 65535
# Of each side of where a pixel falls: neighbours may lie one and a half pixels apart before there are cracks between.
_REACH_PX = 0.25
_LEAST_PX = 16  # that both lenses have to see
_TABLE = 256  # places of a lens's table across and down
_EDGE = 64  # places that are looked at along an edge of the frame
_EVERY_PX = 8  # lines of sight are computed of every eighth pixel of every eighth row, and interpolated


class Reprojection:
    """Draws depth anew from where the colour camera is, in the whole of its frame, about as finely as depth was.

    Where several pixels fall into one, the nearest counts; where none does, because the depth camera did not see it or
    measured nothing, there is 0. Sizes are (width, height). Raises `ValueError` for lenses that look elsewhere.
    """

    def __init__(self, depth: Intrinsics, color: Intrinsics, depth_to_color: Pose, unit_mm: float) -> None:
        rotation = np.array(depth_to_color.rotation, np.float32)
        self._turned = np.einsum("ij,jhw->ihw", rotation, _rays(depth))
        self._shift = np.array(depth_to_color.translation_m, np.float32) * np.float32(1000 / unit_mm)
        self.lens = color.scaled(_size(self._turned, color))
        self._pixels_of = _ProjectionTable(self.lens)

    @property
    def size(self) -> Size:
        """Of frames as they are drawn: of colour's shape."""
        return self.lens.size

    def draw(self, depth: Depth) -> Depth:
        """Return a frame of depth [H, W] as the colour camera would have measured it, in the same unit."""
        x, y, z = (axis * depth + shift for axis, shift in zip(self._turned, self._shift, strict=True))
        ahead = np.maximum(z, np.float32(0.5))
        column, row = self._pixels_of(x / ahead, y / ahead)
        width, height = self.size
        is_drawn = (depth > 0) & (z == ahead) & (z < _NOTHING - 0.5)
        is_drawn &= (np.abs(column - (width - 1) / 2) < width / 2) & (np.abs(row - (height - 1) / 2) < height / 2)
        column, row, distance = column[is_drawn], row[is_drawn], np.rint(z[is_drawn]).astype(np.uint16)
        drawn = np.full(width * height, _NOTHING, np.uint16)
        for across, down in product((-_REACH_PX, _REACH_PX), repeat=2):
            columns = np.rint(column + across).astype(np.int32).clip(0, width - 1)
            rows = np.rint(row + down).astype(np.int32).clip(0, height - 1)
            np.minimum.at(drawn, rows * width + columns, distance)
        drawn[drawn == _NOTHING] = 0
        return drawn.reshape(height, width)


class _ProjectionTable:
    """The pixels of tangents, from a table that is looked up between its places."""

    def __init__(self, lens: Intrinsics) -> None:
        low, high = _seen(lens)
        self._step = (high - low) / (_TABLE - 3)
        self._low = low - self._step  # the outermost places are out of the frame, and so is what lies beyond them
        x, y = (self._low[axis] + self._step[axis] * np.arange(_TABLE) for axis in (0, 1))
        tangents = np.column_stack([axis.ravel() for axis in np.meshgrid(x, y)])
        self._table = pixels_of(lens, tangents).reshape(_TABLE, _TABLE, 2).astype(np.float32)

    def __call__(
        self, x: NDArray[np.float32], y: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the columns and rows of tangents; what the lens does not see is out of its frame."""
        across, down = (
            ((axis - np.float32(low)) / np.float32(step)).clip(-1, _TABLE)
            for axis, low, step in zip((x, y), self._low, self._step, strict=True)
        )
        found = cv2.remap(self._table, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(found[..., 0], np.float32), np.asarray(found[..., 1], np.float32)


def _rays(lens: Intrinsics) -> NDArray[np.float32]:
    """Return the lines of sight of all pixels, float32 [3, H, W]: x/z, y/z, and 1."""
    width, height = lens.size
    x, y = (np.arange(0, length - 1 + _EVERY_PX, _EVERY_PX, dtype=np.float64) for length in lens.size)
    pixels = np.column_stack([axis.ravel() for axis in np.meshgrid(x, y)])
    coarse = lines_of_sight(lens, pixels).reshape(len(y), len(x), 2).astype(np.float32)
    columns, rows = np.meshgrid(*(np.arange(length, dtype=np.float32) / _EVERY_PX for length in lens.size))
    tangents = cv2.remap(coarse, columns, rows, cv2.INTER_LINEAR)
    return np.concatenate([tangents.transpose(2, 0, 1), np.ones((1, height, width), np.float32)])


def _seen(lens: Intrinsics) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest and largest tangents (x, y) that a lens sees in its frame."""
    width, height = lens.size
    across, down = np.linspace(-0.5, width - 0.5, _EDGE), np.linspace(-0.5, height - 0.5, _EDGE)
    edges = [np.column_stack([across, np.full(_EDGE, row)]) for row in (-0.5, height - 0.5)]
    edges += [np.column_stack([np.full(_EDGE, column), down]) for column in (-0.5, width - 0.5)]
    tangents = lines_of_sight(lens, np.concatenate(edges))
    low, high = tangents.min(axis=0), tangents.max(axis=0)
    if not (np.isfinite(tangents).all() and (high > low).all()):
        raise ValueError("a lens that distorts so sees nothing")
    return low, high


def _size(turned: NDArray[np.float32], color: Intrinsics) -> Size:
    """Return the size of frames of colour's shape in which neighbours in depth mostly are neighbours."""
    with np.errstate(divide="ignore", invalid="ignore"):
        places = np.where(turned[2] > 0, turned[:2] / turned[2], np.nan)
    low, high = _seen(color)
    is_seen = ((places > low[:, None, None]) & (places < high[:, None, None])).all(axis=0)
    if is_seen.sum() < _LEAST_PX:
        raise ValueError("the lenses look elsewhere")
    inside = np.where(is_seen, places, np.nan)
    apart = max(float(np.nanmedian(np.abs(np.diff(inside[axis], axis=1 - axis)))) for axis in (0, 1))
    scale = min(1.0, 1 / (apart * max(color.fx, color.fy)))
    width, height = (max(1, round(length * scale)) for length in color.size)
    return width, height
