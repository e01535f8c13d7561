"""The floor and the walls of a room, found in depth as planes that many points lie on (RANSAC)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rgbd.camera.intrinsics import Tangents

_SAMPLE = 4000  # points that vote
_TRIALS = 300  # planes that are tried
_FLOOR_TOLERANCE_M = 0.03  # Kinect v2's noise at 4 m is a third of that
_WALL_TOLERANCE_M = 0.05  # walls are farther away
_MAX_TILT_COS = np.cos(np.radians(50))  # cameras that watch people look down less
_MIN_FLOOR_SHARE = 0.05  # of all points; a floor that is hardly seen is in nobody's way
_LOWEST_SHARE = 0.15  # of all points, among which those of a floor that is hardly in view are many
_MIN_LENS_HEIGHT_M = 0.25  # above the floor: cameras that watch people stand on a low table at least
_MIN_FLOOR_M = (1.0, 0.4)  # along and across what is seen of a floor: a lap or a chest, level as they may be, have less
_MIN_WALL_M2 = 2.0  # two people side by side show less
_MAX_SHARE_BEYOND = 0.03  # of all points: table tops have a floor below them, and people a room behind
_MAX_WALLS = 3  # as many as one sees at once

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """Points whose normal . point = offset, metres before the depth camera; `normal`, float32 [3], points inwards."""

    normal: NDArray[np.float32]
    offset: float

    def heights(self, tangents: Tangents, z_m: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how far before the plane, in metres, float32 [H, W], distances [H, W] along lines of sight lie."""
        x, y, z = self.normal
        return np.asarray(z_m * (x * tangents.columns + (y * tangents.rows + z)) - np.float32(self.offset), np.float32)

    def limits_mm(self, tangents: Tangents, height_m: float) -> NDArray[np.float32]:
        """Return up to which distance, millimetres, float32 [H, W], lines of sight stay `height_m` before the plane."""
        x, y, z = self.normal
        rise = x * tangents.columns + (y * tangents.rows + z)  # above 0 where a line leads away from the plane
        limits = 1000 * (np.float32(self.offset) + np.float32(height_m)) / np.minimum(rise, np.float32(-1e-6))
        return np.where(rise < 0, limits, np.inf).astype(np.float32)


def fit_floor(points: NDArray[np.float32]) -> Plane | None:
    """Return the lowest level plane below the lens that many points [N, 3] lie on, far apart; None if there is none."""
    rng = np.random.default_rng(0)
    if len(points) < _SAMPLE // 10:
        return None
    sample = points[rng.integers(0, len(points), _SAMPLE)].astype(np.float64)
    # Where little of a floor is in view, three of all points hardly ever lie on it, but three of the lowest do.
    limits = (np.inf, -_MIN_LENS_HEIGHT_M, np.percentile(sample[:, 1], 100 * _LOWEST_SHARE))
    for lowest in (sample[sample[:, 1] < limit] for limit in limits):
        floor = _level_plane(sample, lowest, rng)
        if floor is not None and _has_extent(floor, sample):
            return floor
    return None


def _level_plane(sample: Points, candidates: Points, rng: np.random.Generator) -> Plane | None:
    """Return the lowest level plane below the lens through three of the candidates [N, 3] that many points lie on."""
    if len(candidates) < _SAMPLE // 100:
        return None
    first, second, third = candidates[rng.integers(0, len(candidates), (_TRIALS, 3))].transpose(1, 0, 2)
    normals = np.cross(second - first, third - first)
    lengths = np.linalg.norm(normals, axis=1)
    normals *= np.where(normals[:, 1:2] < 0, -1, 1)
    # Three points within 1 cm2 make no plane to speak of. Most planes are walls, and voting is what takes time.
    is_level = (lengths > 1e-4) & (normals[:, 1] > _MAX_TILT_COS * lengths)
    normals, first = normals[is_level] / lengths[is_level, None], first[is_level]
    is_below = (first * normals).sum(axis=1) < -_MIN_LENS_HEIGHT_M
    return _outermost(sample, first[is_below], normals[is_below], _FLOOR_TOLERANCE_M, _MIN_FLOOR_SHARE * _SAMPLE)


def _has_extent(floor: Plane, points: Points) -> bool:
    """Return whether the points on a plane lie as far apart, along and across, as those of a floor."""
    on_it = points[np.abs(points @ floor.normal - floor.offset) < _FLOOR_TOLERANCE_M]
    directions = np.linalg.svd(on_it - on_it.mean(axis=0), full_matrices=False)[2][:2]
    low, high = np.percentile(on_it @ directions.T, (2, 98), axis=0)
    return bool((high - low >= _MIN_FLOOR_M).all())


def fit_walls(points: NDArray[np.float32], m2: NDArray[np.float32], floor: Plane) -> list[Plane]:
    """Return upright planes that many points [N, 3] lie on, and hardly any behind.

    m2: float32 [N], how much surface each point stands for.
    """
    rng = np.random.default_rng(0)
    walls: list[Plane] = []
    if len(points) < _SAMPLE // 10:
        return walls
    sample = points[rng.integers(0, len(points), _SAMPLE)].astype(np.float64)
    min_votes = _MIN_WALL_M2 / float(m2.sum()) * _SAMPLE
    free = sample  # those on no wall yet, of which two and the upright direction make another
    while len(walls) < _MAX_WALLS and len(free) > min_votes:
        first, second = free[rng.integers(0, len(free), (_TRIALS, 2))].transpose(1, 0, 2)
        normals = np.cross(second - first, floor.normal.astype(np.float64))
        lengths = np.linalg.norm(normals, axis=1)
        is_apart = lengths > 0.1
        normals, first = normals[is_apart] / lengths[is_apart, None], first[is_apart]
        normals *= np.where((first * normals).sum(axis=1, keepdims=True) > 0, -1, 1)  # towards the camera
        wall = _outermost(sample, first, normals, _WALL_TOLERANCE_M, min_votes, free)
        if wall is None:
            break
        walls.append(wall)
        free = free[np.abs(free @ wall.normal - wall.offset) > 2 * _WALL_TOLERANCE_M]
    return walls


def _outermost(
    sample: Points, places: Points, normals: Points, tolerance_m: float, min_votes: float, voters: Points | None = None
) -> Plane | None:
    """Return the plane of most votes, out of those through `places` [M, 3] with hardly anything of a room beyond.

    sample: [N, 3], what must not lie beyond; voters: [V, 3], the sample if not given.
    """
    voters = sample if voters is None else voters
    if len(places) == 0:
        return None
    offsets = (places * normals).sum(axis=1)
    votes = np.count_nonzero(np.abs(voters @ normals.T - offsets) < tolerance_m, axis=0)
    num_beyond = np.count_nonzero(sample @ normals.T - offsets < -2 * tolerance_m, axis=0)
    votes = np.where(num_beyond < _MAX_SHARE_BEYOND * len(sample), votes, 0)
    best = votes.argmax()
    if votes[best] < max(min_votes, 3):
        return None
    on_it = voters[np.abs(voters @ normals[best] - offsets[best]) < tolerance_m]
    centre = on_it.mean(axis=0)
    normal = np.linalg.svd(on_it - centre, full_matrices=False)[2][2]
    normal *= -1 if normal @ normals[best] < 0 else 1
    return Plane(normal.astype(np.float32), float(normal @ centre))
