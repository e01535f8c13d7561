"""The rooms that recordings are made in: floor, walls, furniture, and where the cameras stand."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.cameras import Camera, Floats, Mount
from preprocess.synthetic.performers import Color

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Slab:
    """An upright box: two opposite corners in the room, and a colour."""

    low: Vector
    high: Vector
    color: Color


@dataclass(frozen=True)
class Setup:
    """A camera position and the room in front of it; the person stands about `distance_m` away.

    The room reaches from -`half_width_m` to `half_width_m`, up to `depth_m` away from the cameras.
    """

    mount: Mount
    distance_m: float
    half_width_m: float
    depth_m: float
    wall: Color
    floor: Color
    planks: bool
    furniture: tuple[Slab, ...]


_HEIGHT_M = 2.8
_BACK_M = -1.0  # the room goes on behind the cameras
_WOOD, _DARK_WOOD, _WHITE, _GREY, _BLACK = (168, 128, 88), (104, 74, 52), (226, 224, 218), (128, 130, 134), (52, 52, 56)


def _table(x: float, z: float, width: float, depth: float, color: Color) -> tuple[Slab, ...]:
    legs = [(x + dx, z + dz) for dx in (0.03, width - 0.08) for dz in (0.03, depth - 0.08)]
    top = Slab((x, 0.70, z), (x + width, 0.745, z + depth), color)
    return top, *(Slab((left, 0, near), (left + 0.05, 0.7, near + 0.05), color) for left, near in legs)


def _chair(x: float, z: float, color: Color) -> tuple[Slab, ...]:
    legs = [(x + dx, z + dz) for dx in (0, 0.38) for dz in (0, 0.38)]
    seat = Slab((x, 0.43, z), (x + 0.42, 0.48, z + 0.42), color)
    back = Slab((x, 0.48, z + 0.38), (x + 0.42, 0.92, z + 0.42), color)
    return seat, back, *(Slab((left, 0, near), (left + 0.04, 0.43, near + 0.04), color) for left, near in legs)


def _shelf(x: float, z: float, width: float, color: Color) -> tuple[Slab, ...]:
    """A shelf with its back at `z`, and books of different sizes and muted colours on it."""
    front = z - 0.3
    boards = [Slab((x, height, front), (x + width, height + 0.03, z), color) for height in (0.05, 0.5, 0.95, 1.4, 1.85)]
    sides = [Slab((at, 0, front), (at + 0.03, 1.88, z), color) for at in (x, x + width - 0.03)]
    rng = np.random.default_rng(round(1000 * abs(x)))
    books = []
    for board in boards[:-1]:
        left = x + 0.05
        while left < x + width * rng.uniform(0.55, 0.9):
            thickness, height = rng.uniform(0.025, 0.06), rng.uniform(0.2, 0.32)
            low, high = (left, board.high[1], front + 0.06), (left + thickness - 0.004, board.high[1] + height, z)
            red, green, blue = (int(rng.uniform(70, 165)) for _ in range(3))
            books.append(Slab(low, high, (red, (red + green) // 2, (red + blue) // 2)))
            left += thickness
    return *boards, *sides, *books


def _picture(x: float, y: float, z: float, width: float, height: float, color: Color) -> tuple[Slab, ...]:
    frame = Slab((x, y, z - 0.03), (x + width, y + height, z), _BLACK)
    inner = Slab((x + 0.04, y + 0.04, z - 0.035), (x + width - 0.04, y + height - 0.04, z), color)
    return frame, inner


_STUDY = (
    *_table(-2.3, 4.0, 1.2, 0.7, _WOOD),
    *_chair(-2.0, 3.35, _DARK_WOOD),
    *_shelf(1.5, 5.2, 0.95, _WHITE),
    *_picture(-1.6, 1.45, 5.2, 1.1, 0.7, (150, 162, 166)),
)
_OFFICE = (
    *_table(1.3, 4.6, 1.4, 0.75, _WHITE),
    Slab((1.7, 0.80, 4.9), (2.25, 1.12, 4.94), _BLACK),  # a screen and its foot
    Slab((1.9, 0.745, 4.88), (2.05, 0.80, 4.98), _BLACK),
    *_chair(1.2, 3.9, _GREY),
    *_shelf(-2.6, 5.8, 1.2, _DARK_WOOD),
    Slab((-0.5, 0, 5.76), (0.45, 2.05, 5.8), (146, 128, 110)),  # a door
)
_LIVING_ROOM = (
    *_shelf(-2.2, 4.8, 0.8, _WOOD),
    Slab((1.3, 0.06, 3.9), (2.4, 0.42, 4.7), (112, 108, 118)),  # a sofa
    Slab((1.3, 0.42, 4.5), (2.4, 0.86, 4.75), (122, 118, 128)),
    *_picture(0.1, 1.5, 4.8, 0.8, 0.8, (188, 176, 150)),
)
_LABORATORY = (
    *_table(-2.8, 4.7, 1.6, 0.8, _GREY),
    Slab((-2.4, 0.745, 5.0), (-2.0, 1.0, 5.3), _DARK_WOOD),
    *_chair(-1.1, 4.9, _WOOD),
    *_shelf(2.0, 6.4, 1.1, _GREY),
    *_picture(0.4, 0.95, 6.4, 1.4, 1.15, (196, 206, 214)),
)

SETUPS = (
    Setup(Mount(1.25, 4.0), 3.3, 2.6, 5.2, (212, 206, 194), (150, 112, 78), planks=True, furniture=_STUDY),
    Setup(Mount(1.45, 7.0), 3.5, 3.0, 5.8, (180, 190, 196), (126, 128, 130), planks=False, furniture=_OFFICE),
    Setup(Mount(1.10, 1.5), 3.2, 2.4, 4.8, (198, 190, 200), (134, 100, 76), planks=True, furniture=_LIVING_ROOM),
    Setup(Mount(1.60, 9.0), 3.6, 3.2, 6.4, (216, 214, 206), (112, 112, 120), planks=False, furniture=_LABORATORY),
)


@dataclass(frozen=True, eq=False)
class Background:
    """The empty room: uint8 colours [H, W, 3], which of them are floor, and float32 metres [h, w]."""

    color: NDArray[np.uint8]
    is_floor: NDArray[np.bool_]
    depth_m: Floats


@lru_cache(maxsize=2)
def render_background(setup: Setup, color_camera: Camera, depth_camera: Camera) -> Background:
    """Return the empty room as both cameras see it."""
    color, is_floor = _paint_room(setup, color_camera)
    depth, *_ = _cast_room(setup, depth_camera)
    return Background(color, is_floor, depth)


def _cast_room(setup: Setup, camera: Camera) -> tuple[Floats, NDArray[np.int16], NDArray[np.int8], Floats]:
    """Return distance [H, W], which box (0 is the room itself), the axis its face is across, and the rays [H, W, 3]."""
    columns, rows = camera.tangents
    grid = np.stack([*np.broadcast_arrays(columns[None], rows[:, None]), np.ones((len(rows), len(columns)))], axis=-1)
    rays = (grid @ setup.mount.rotation).astype(np.float32)
    lens = _lens(setup, camera)
    outside = Slab((-setup.half_width_m, 0, _BACK_M), (setup.half_width_m, _HEIGHT_M, setup.depth_m), setup.wall)
    _, far, _, axis = _cross(outside, lens, rays)
    depth, index = far, np.zeros(far.shape, np.int16)
    for number, slab in enumerate(setup.furniture, start=1):
        part = _on_screen(slab, setup, camera)
        near, leave, entered, _ = _cross(slab, lens, rays[part])
        hit = (near > 0) & (near < leave) & (near < depth[part])
        depth[part][hit], index[part][hit], axis[part][hit] = near[hit], number, entered[hit]
    return depth, index, axis, rays


def _on_screen(slab: Slab, setup: Setup, camera: Camera) -> tuple[slice, slice]:
    """Return the rows and columns of the image that a box can cover; all of it must be in front of the cameras."""
    corners = np.array(list(product(*zip(slab.low, slab.high, strict=True))), np.float32)
    places = camera.project(setup.mount.to_camera(corners))
    limit = (camera.width, camera.height)
    x0, y0 = np.clip(np.floor(places.min(axis=0)), 0, limit).astype(int).tolist()
    x1, y1 = np.clip(np.ceil(places.max(axis=0)) + 1, 0, limit).astype(int).tolist()
    return slice(y0, y1), slice(x0, x1)


def _lens(setup: Setup, camera: Camera) -> Floats:
    return setup.mount.to_room(camera.lens)


def _cross(slab: Slab, lens: Floats, rays: Floats) -> tuple[Floats, Floats, NDArray[np.int8], NDArray[np.int8]]:
    """Return where rays enter and leave a box, and across which axis each."""
    with np.errstate(divide="ignore"):
        low, high = (np.subtract(corner, lens, dtype=np.float32) / rays for corner in (slab.low, slab.high))
    near, far = np.minimum(low, high), np.maximum(low, high)
    return (
        near.max(axis=-1),
        far.min(axis=-1),
        near.argmax(axis=-1).astype(np.int8),
        far.argmin(axis=-1).astype(np.int8),
    )


def _paint_room(setup: Setup, camera: Camera) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    depth, index, axis, rays = _cast_room(setup, camera)
    lens = _lens(setup, camera)
    point = lens + depth[..., None] * rays
    x, y, z = (point[..., part] for part in range(3))
    colors = np.array([setup.wall, *(slab.color for slab in setup.furniture)], np.float32)[index]
    is_room = index == 0
    is_floor = is_room & (axis == 1) & (y < 1)
    colors[is_floor] = setup.floor
    colors[is_room & (axis == 1) & (y > 1)] = (236, 234, 228)
    colors[is_room & (axis != 1) & (y < 0.09)] = (232, 228, 220)  # the skirting board
    light = np.choose(axis, (0.85, 0.97, 0.92)).astype(np.float32)  # walls at the sides, level faces, faces to the lens
    light *= _lamp(x, y, z, setup) * _corners(x, y, z, setup, is_room, is_floor)
    light[is_floor] *= _floor_texture(x[is_floor], z[is_floor], planks=setup.planks)
    image = np.clip(colors * light[..., None], 0, 255).astype(np.uint8)
    return cv2.GaussianBlur(image, (3, 3), 0).astype(np.uint8, copy=False), is_floor


def _lamp(x: Floats, y: Floats, z: Floats, setup: Setup) -> Floats:
    """Light falls off gently with the distance from a lamp under the ceiling, above the person."""
    distance2 = x**2 + (_HEIGHT_M - y) ** 2 / 4 + (z - setup.distance_m) ** 2
    return np.asarray(0.80 + 0.42 / (1 + distance2 / 7), np.float32)


def _corners(
    x: Floats, y: Floats, z: Floats, setup: Setup, is_room: NDArray[np.bool_], is_floor: NDArray[np.bool_]
) -> Floats:
    """Less light gets into corners, and under and behind furniture."""
    gaps = np.stack([setup.half_width_m - np.abs(x), y, _HEIGHT_M - y, setup.depth_m - z])
    # The nearest wall is the point's own, the second nearest makes the corner.
    shade = 1 - 0.22 * np.exp(-np.maximum(np.partition(gaps, 1, axis=0)[1], 0) / 0.25)
    shade[~is_room] = 1
    for slab in setup.furniture:
        away = [np.maximum(np.maximum(slab.low[part] - at, at - slab.high[part]), 0) for part, at in ((0, x), (2, z))]
        is_wide = slab.high[0] - slab.low[0] > 0.3
        if is_wide and slab.low[1] < 0.8:
            blocked = np.exp(-np.hypot(*away) / 0.12) * (0.45 - 0.3 * slab.low[1])
            shade[is_floor] *= 1 - blocked[is_floor]
    return np.asarray(shade, np.float32)


def _floor_texture(x: Floats, z: Floats, *, planks: bool) -> Floats:
    """Return the brightness of floor points [N]: wooden planks, or tiles."""
    if not planks:
        seam = np.minimum(np.abs((x / 0.6) % 1 - 0.5), np.abs((z / 0.6) % 1 - 0.5)) < 0.008
        tiles = np.random.default_rng(5).uniform(0.96, 1.04, 4096)
        which = (np.floor(x / 0.6 + 0.5) * 31 + np.floor(z / 0.6 + 0.5) * 17).astype(int) % 4096
        return np.asarray(np.where(seam, 0.8, tiles[which]), np.float32)
    row = np.floor(x / 0.14)
    shift = row * 0.618 % 1 * 1.2
    which = (row * 37 + np.floor((z + shift) / 1.2) * 101).astype(int) % 4096
    tint = np.random.default_rng(6).uniform(0.84, 1.10, 4096)[which]
    grain = 0.025 * np.sin(160 * x + 3 * np.sin(4 * z + which)) + 0.02 * np.sin(70 * x + 2 * np.sin(2.3 * z))
    seam = ((x / 0.14) % 1 < 0.03) | (((z + shift) / 1.2) % 1 < 0.006)
    return np.asarray(np.where(seam, 0.7, tint + grain), np.float32)
