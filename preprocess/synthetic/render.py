"""Solids -> what a camera sees: distance of every pixel, and colours.

Everything is cast as rays, in closed form, only inside the rectangle of the screen that a solid can cover.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.cameras import Camera, Floats
from preprocess.synthetic.solids import Ball, Cone, Sheet, Solid

Box = tuple[int, int, int, int]

_FAR_M = np.float32(np.inf)
_FLAT_M = 1000.0  # a sheet is shaded as a ball so large that it is flat
_PATTERNS = ("plain", "stripes", "checks", "folds")
_STRIPES_PER_M = 14
_AMBIENT, _OVERHEAD, _FRONTAL = 0.50, 0.36, 0.24


@dataclass(frozen=True)
class View:
    """The rectangle `box` (x0, y0, x1, y1, half-open) of an image that solids cover.

    depth_m: float32 [h, w], infinite where there is nothing; index: int16 [h, w], which solid, -1 for none.
    """

    box: Box
    depth_m: Floats
    index: NDArray[np.int16]

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the image."""
        x0, y0, x1, y1 = self.box
        return slice(y0, y1), slice(x0, x1)


def cast(solids: Sequence[Solid], camera: Camera) -> View:
    """Return what `camera` sees of solids in the depth camera's frame; all must be in front of it."""
    boxes = _screen_boxes(solids, camera)
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    x0, y0, x1, y1 = min(lefts), min(tops), max(rights), max(bottoms)
    depth = np.full((y1 - y0, x1 - x0), _FAR_M, np.float32)
    index = np.full(depth.shape, -1, np.int16)
    columns, rows = camera.tangents
    lens = camera.lens.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):  # rays that miss: they compare as false
        for number, (solid, (left, top, right, bottom)) in enumerate(zip(solids, boxes, strict=True)):
            if left >= right or top >= bottom:
                continue
            hit = _hit(solid, lens, columns[left:right], rows[top:bottom, None])
            part = (slice(top - y0, bottom - y0), slice(left - x0, right - x0))
            nearer = hit < depth[part]
            np.copyto(depth[part], hit, where=nearer)
            index[part][nearer] = number
    return View((x0, y0, x1, y1), depth, index)


def _screen_boxes(solids: Sequence[Solid], camera: Camera) -> list[Box]:
    """Return the part of the image, in pixels, that each solid can cover."""
    corners = [_corners(solid) for solid in solids]
    own = camera.seen_from(np.array([points for points, _ in corners], np.float32))
    radii = np.array([radii for _, radii in corners], np.float32)[..., None]
    # A little generous: the outline of a ball off the axis is an ellipse.
    z = own[..., 2:]
    reach = radii / (z - radii) * (1 + 0.2 * np.abs(own[..., :2] / z)) * camera.focal_px
    middle = camera.project(own + camera.lens)
    limit = (camera.width, camera.height)
    low = np.clip(np.floor((middle - reach).min(axis=1)), 0, limit)
    high = np.clip(np.ceil((middle + reach).max(axis=1)) + 1, 0, limit)
    return [(x0, y0, x1, y1) for x0, y0, x1, y1 in np.hstack([low, high]).astype(int).tolist()]


def _corners(solid: Solid) -> tuple[tuple[Floats, ...], tuple[float, ...]]:
    """Return four balls, some of them the same, that reach as far as the solid does: centres and radii."""
    match solid:
        case Ball(centre, radius):
            return (centre,) * 4, (radius,) * 4
        case Cone(start, end, (first, second)):
            return (start, start, end, end), (first, first, second, second)
        case Sheet(corner, (across, down)):
            return (corner, corner + across, corner + down, corner + across + down), (0.0,) * 4


# Each ray is p = z * (x, y, 1), x and y being the tangents of its column and row. The functions below return the z of
# the first hit, NaN where there is none. What is linear in x and y is summed up in one dimension before it is spread.


def _hit(solid: Solid, lens: NDArray[np.float64], x: Floats, y: Floats) -> Floats:
    match solid:
        case Ball():
            return _hit_ball(solid, lens, x, y)
        case Cone():
            return _hit_cone(solid, lens, x, y)
        case Sheet():
            return _hit_sheet(solid, lens, x, y)


def _hit_ball(ball: Ball, lens: NDArray[np.float64], x: Floats, y: Floats) -> Floats:
    centre = ball.centre - lens
    rest = float(centre @ centre) - ball.radius**2
    squared = x * x + (y * y + 1)
    along = x * np.float32(centre[0]) + (y * np.float32(centre[1]) + np.float32(centre[2]))
    return np.asarray((along - np.sqrt(along * along - squared * np.float32(rest))) / squared, np.float32)


def _hit_cone(cone: Cone, lens: NDArray[np.float64], x: Floats, y: Floats) -> Floats:
    # A ball with centre start + u * axis and radius r0 - u * shrink touches the ray where the least of
    # |p - centre|^2 - radius^2 over u is 0: at u = ((p - start) . axis - r0 * shrink) / slant.
    start, axis = (cone.start - lens).astype(np.float64), (cone.end - cone.start).astype(np.float64)
    radius, shrink = cone.radii[0], cone.radii[0] - cone.radii[1]
    slant = float(axis @ axis) - shrink**2
    if slant <= 0:  # the larger ball holds the smaller one
        return np.full((len(y), len(x)), np.nan, np.float32)
    offset = float(start @ axis) + radius * shrink
    linear = (slant * start - offset * axis).astype(np.float32)
    rest = np.float32(slant * (float(start @ start) - radius**2) - offset**2)
    along = x * np.float32(axis[0]) + (y * np.float32(axis[1]) + np.float32(axis[2]))
    squared = (x * x) * np.float32(slant) + (y * y + 1) * np.float32(slant)
    squared -= along * along
    half = x * linear[0] + (y * linear[1] + linear[2])
    z = half * half
    z -= squared * rest
    np.sqrt(z, out=z)
    np.subtract(half, z, out=z)
    z /= squared
    along *= z
    z[(along < offset) | (along > offset + slant)] = np.nan
    return np.asarray(z, np.float32)


def _hit_sheet(sheet: Sheet, lens: NDArray[np.float64], x: Floats, y: Floats) -> Floats:
    corner = (sheet.corner - lens).astype(np.float64)
    # The dual basis: its products with a point of the plane are the point's shares of the two sides.
    duals = np.linalg.pinv(np.stack(sheet.sides).astype(np.float64).T)
    normal = np.cross(*sheet.sides).astype(np.float64)
    z = np.float32(normal @ corner) / (x * np.float32(normal[0]) + (y * np.float32(normal[1]) + np.float32(normal[2])))
    inside = z > 0
    for dual in duals.astype(np.float32):
        share = z * (x * dual[0] + (y * dual[1] + dual[2])) - np.float32(dual @ corner)
        inside &= (share >= 0) & (share <= 1)
    return np.asarray(np.where(inside, z, np.nan), np.float32)


class _Surfaces:
    """The solids' centre lines [3, S] and paints [S], as arrays by solid."""

    def __init__(self, solids: Sequence[Solid]) -> None:
        lines = [_centre_line(solid) for solid in solids]
        self.starts = np.array([start for start, _ in lines], np.float32).T.copy()
        self.axes = np.array([axis for _, axis in lines], np.float32).T.copy()
        self.lengths = np.linalg.norm(self.axes, axis=0).astype(np.float32)
        self.per_length2 = 1 / np.maximum(self.lengths**2, np.float32(1e-9))
        self.along_m = np.array([0 if isinstance(solid, Sheet) else solid.along_m for solid in solids], np.float32)
        paints = [solid.paint for solid in solids]
        self.colors = np.array([(paint.color, paint.second) for paint in paints], np.float32).reshape(-1, 3)
        self.patterns = np.array([_PATTERNS.index(paint.pattern) for paint in paints], np.int8)


def _centre_line(solid: Solid) -> tuple[Floats, Floats]:
    match solid:
        case Ball(centre):
            return centre, np.zeros(3, np.float32)
        case Cone(start, end):
            return start, end - start
        case Sheet(corner, sides):
            normal = np.cross(*sides)
            normal = normal / np.linalg.norm(normal) * np.sign(normal @ corner)
            return np.asarray(corner + normal * _FLAT_M, np.float32), np.zeros(3, np.float32)


def shade(view: View, solids: Sequence[Solid], camera: Camera, up: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Return which pixels of the view show a solid, bool [h, w], and their colours, float32 [N, 3], 0 to 255.

    `up` is the room's upright direction in the camera's frame. Light comes from above and, weaker, from the camera.
    """
    seen = view.index >= 0
    rows, columns = np.nonzero(seen)
    index, z = view.index[seen].astype(np.intp), view.depth_m[seen]
    tangents = (camera.tangents[0][view.box[0] :], camera.tangents[1][view.box[1] :])
    point = np.stack([z * tangents[0][columns] + camera.lens[0], z * tangents[1][rows], z])
    surfaces = _Surfaces(solids)
    axes = surfaces.axes.take(index, axis=1)
    outward = point - surfaces.starts.take(index, axis=1)
    share = np.clip((outward * axes).sum(axis=0) * surfaces.per_length2[index], 0, 1)
    axes *= share
    outward -= axes
    outward /= np.sqrt((outward * outward).sum(axis=0))
    light = np.float32(_AMBIENT) + np.float32(_OVERHEAD) * np.maximum(up @ outward, 0)
    light -= np.float32(_FRONTAL) * np.minimum(outward[2], 0)
    color_index = 2 * index
    patterned = np.nonzero(surfaces.patterns[index])[0]
    if len(patterned):
        is_second, folds = _pattern(surfaces, index[patterned], share[patterned], point[:, patterned])
        color_index[patterned] += is_second
        light[patterned] *= folds
    return seen, surfaces.colors.take(color_index, axis=0) * light[:, None]


def _pattern(
    surfaces: _Surfaces, index: NDArray[np.intp], share: Floats, point: Floats
) -> tuple[NDArray[np.bool_], Floats]:
    """Return which of the two colours each point [3, N] has, bool [N], and how folds darken it, float32 [N]."""
    pattern = surfaces.patterns[index]
    along = surfaces.along_m[index] + share * surfaces.lengths[index]
    is_striped = (along * np.float32(_STRIPES_PER_M) % 1) < 0.45
    is_checked = is_striped ^ ((point[0] * np.float32(_STRIPES_PER_M) % 1) < 0.45)
    is_second = np.choose(pattern, (False, is_striped, is_checked, False)).astype(np.bool_)
    depth_of_folds = np.where(pattern == _PATTERNS.index("folds"), np.float32(0.12), np.float32(0))
    folds = 1 - depth_of_folds * (1 + np.sin(40 * point[0] + 8 * point[1]))
    return is_second, folds
