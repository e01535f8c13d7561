"""Floor and walls of a room whose planes are known, as a camera that looks down a little sees them."""

import numpy as np

from rgbd.camera.intrinsics import DepthCamera
from rgbd.camera.sensors import nominal_camera
from rgbd.people.room import fit_floor, fit_walls

SHAPE = (106, 128)
CAMERA: DepthCamera = nominal_camera(SHAPE[::-1])
TILT = np.radians(12)
UP = np.array([0, np.cos(TILT), -np.sin(TILT)])  # the camera, 1.4 m above the floor, looks down
FLOOR_OFFSET, WALL_NORMAL, WALL_OFFSET = -1.4, np.array([0, -np.sin(TILT), -np.cos(TILT)]), -4.0


def look(*planes: tuple[np.ndarray, float], noise_m: float = 0.005) -> np.ndarray:
    """Return the distances, float32 [H, W], of the nearest of some planes along each line of sight."""
    rays = CAMERA.tangents(SHAPE).points(np.ones(SHAPE, np.float32)).astype(np.float64)
    with np.errstate(divide="ignore"):
        distances = np.stack([offset / (rays @ normal) for normal, offset in planes])
    z = np.where(distances > 0, distances, np.inf).min(axis=0)
    z += np.random.default_rng(0).normal(0, noise_m, SHAPE)
    return np.where(z < 8, z, 0).astype(np.float32)


def points_of(z: np.ndarray) -> np.ndarray:
    return np.asarray(CAMERA.tangents(SHAPE).points(z)[z > 0], np.float32)


def test_the_floor_is_found_by_tilt_and_height() -> None:
    floor = fit_floor(points_of(look((UP, FLOOR_OFFSET), (WALL_NORMAL, WALL_OFFSET))))
    assert floor is not None
    assert floor.normal @ UP > np.cos(np.radians(1)) and abs(floor.offset - FLOOR_OFFSET) < 0.02


def test_a_table_is_not_the_floor() -> None:
    z = look((UP, FLOOR_OFFSET), (WALL_NORMAL, WALL_OFFSET))
    table = look((UP, -0.7), noise_m=0)
    part = (slice(60, 95), slice(20, 110))
    z[part] = np.minimum(z, table)[part]
    floor = fit_floor(points_of(z))
    assert floor is not None and abs(floor.offset - FLOOR_OFFSET) < 0.02


def test_a_floor_of_which_little_is_in_view_is_found() -> None:
    z = look((np.array([0.0, 1, 0]), -2.0), (np.array([0.0, 0, -1]), -4.0), noise_m=0)
    noise_m = np.random.default_rng(1).normal(0, 0.0015, SHAPE) * z * z
    floor = fit_floor(points_of((z + noise_m).astype(np.float32)))  # 8 % of the points
    assert floor is not None
    assert abs(floor.offset + 2) < 0.1 and floor.normal[1] > np.cos(np.radians(2))


def test_a_room_that_shows_no_floor_has_none() -> None:
    assert fit_floor(points_of(look((np.array([0.0, 0, -1]), -3.0)))) is None
    assert fit_floor(np.empty((0, 3), np.float32)) is None


def test_level_parts_of_what_is_close_are_no_floor() -> None:
    wall = look((np.array([0.0, 0, -1]), -3.0))
    shelf = look((np.array([0.0, 1, 0]), 0.2), noise_m=0)  # over the lens of a camera that sees nothing lower
    z = np.zeros_like(wall)
    z[:40], z[5:40, 20:110] = wall[:40], np.minimum(wall, np.where(shelf > 0, shelf, 9))[5:40, 20:110]
    assert fit_floor(points_of(z)) is None
    z = np.zeros_like(wall)
    z[20:75, 44:84] = look((np.array([0.0, 0, -1]), -0.95))[20:75, 44:84]  # somebody who sits, cut out
    lap = look((np.array([0.0, 0.9, -np.sqrt(0.19)]), -0.6), noise_m=0.003)
    z[75:106, 44:84] = lap[75:106, 44:84]
    assert fit_floor(points_of(z)) is None


def test_the_wall_is_found_and_somebody_before_it_is_not_one() -> None:
    z = look((UP, FLOOR_OFFSET), (WALL_NORMAL, WALL_OFFSET))
    z[20:80, 50:70] = 2.5
    floor = fit_floor(points_of(z))
    assert floor is not None
    is_above = floor.heights(CAMERA.tangents(SHAPE), z) > 0.06
    m2 = (z * z / abs(CAMERA.slope.prod()))[is_above & (z > 0)]
    points = CAMERA.tangents(SHAPE).points(z)[is_above & (z > 0)]
    (wall,) = fit_walls(points, m2, floor)
    assert wall.normal @ WALL_NORMAL > np.cos(np.radians(1)) and abs(wall.offset - WALL_OFFSET) < 0.02
    assert fit_walls(np.empty((0, 3), np.float32), np.empty(0, np.float32), floor) == []
