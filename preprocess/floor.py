"""The floor of a room, found in depth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess.depth_camera import Tangents

_SAMPLE = 4000  # points that vote
_TRIPLES = 300  # planes that are tried
_TOLERANCE_M = 0.03  # Kinect v2's noise at 4 m is a third of it
_MAX_TILT_COS = np.cos(np.radians(35))  # cameras that watch people look down less
_MIN_SHARE = 0.05  # of all points; a floor that is hardly seen is in nobody's way
_MAX_SHARE_BELOW = 0.03  # of all points: table tops have a floor below them


@dataclass(frozen=True)
class Floor:
    """Points whose normal . point = offset, in the depth camera's metres; `normal`, float32 [3], points up."""

    normal: NDArray[np.float32]
    offset: float

    def heights(self, tangents: Tangents, z_m: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how far above the floor, in metres, float32 [H, W], distances [H, W] along lines of sight lie."""
        x, y, z = self.normal
        return np.asarray(z_m * (x * tangents.columns + (y * tangents.rows + z)) - np.float32(self.offset), np.float32)

    def limits_mm(self, tangents: Tangents, height_m: float) -> NDArray[np.float32]:
        """Return up to which distance, millimetres, float32 [H, W], lines of sight stay `height_m` above the floor."""
        x, y, z = self.normal
        falling = x * tangents.columns + (y * tangents.rows + z)  # by how much a line rises in a metre, mostly below 0
        limits = 1000 * (np.float32(self.offset) + np.float32(height_m)) / np.minimum(falling, np.float32(-1e-6))
        return np.where(falling < 0, limits, np.inf).astype(np.float32)


def fit_floor(points: NDArray[np.float32]) -> Floor | None:
    """Return the lowest level plane that many points [N, 3] lie on, or None where there is none (RANSAC)."""
    rng = np.random.default_rng(0)
    if len(points) < _SAMPLE // 10:
        return None
    sample = points[rng.integers(0, len(points), _SAMPLE)].astype(np.float64)
    first, second, third = sample[rng.integers(0, _SAMPLE, (_TRIPLES, 3))].transpose(1, 0, 2)
    normals = np.cross(second - first, third - first)
    lengths = np.linalg.norm(normals, axis=1)
    normals *= np.where(normals[:, 1:2] < 0, -1, 1)
    # Three points nearly on one line (1 cm2) have no plane to speak of. Most planes are walls; voting is what takes time.
    is_level = (lengths > 1e-4) & (normals[:, 1] > _MAX_TILT_COS * lengths)
    normals, first = normals[is_level] / lengths[is_level, None], first[is_level]
    heights = sample @ normals.T - (first * normals).sum(axis=1)
    share_on = np.count_nonzero(np.abs(heights) < _TOLERANCE_M, axis=0) / _SAMPLE
    is_lowest = np.count_nonzero(heights < -2 * _TOLERANCE_M, axis=0) < _MAX_SHARE_BELOW * _SAMPLE
    votes = np.where(is_lowest, share_on, 0)
    if len(votes) == 0 or votes.max() < _MIN_SHARE:
        return None
    on_it = sample[np.abs(heights[:, votes.argmax()]) < _TOLERANCE_M]
    centre = on_it.mean(axis=0)
    normal = np.linalg.svd(on_it - centre, full_matrices=False)[2][2]
    normal *= -1 if normal[1] < 0 else 1
    return Floor(normal.astype(np.float32), float(normal @ centre))
