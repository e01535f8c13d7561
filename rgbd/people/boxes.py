"""Body mask or skeleton -> the box of the frame that is worth keeping.

Boxes are (x0, y0, x1, y1) in pixels, half-open; sizes are (width, height).
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbd.camera.registration import Registration
from rgbd.errors import DatasetError
from rgbd.legacy import legacy_centre
from rgbd.recording.skeletons.skeleton import Body
from rgbd.types import Box, Size

_UNIT = np.array((8, 6))  # boxes are whole multiples: exactly 4:3, and even, as video stores one colour for 2x2 pixels

# Joints lie inside the body: the top of the head is 15 cm above its joint, and clothes and held things reach further.
_JOINT_MARGIN_M = 0.2
_SMOOTHING_FRAMES = 6  # a fifth of a second leaves 4 % of the two steps a second of a walk
_MASK_MARGIN = 0.05  # of the mask's larger side; a mask ends at the body's edge already


def covering_box(points_xy: NDArray[np.floating], frame_size: Size) -> Box:
    """Return the smallest 4:3 box inside the frame that holds all points [N, 2]; what lies outside counts as its edge.

    Sides are even, and corners unless they touch an odd border. Where the points spread over more than the largest
    such box of the frame, that largest box, centred on them as far as the frame allows. At least one point is needed.
    """
    low, high = _extent(points_xy, frame_size)
    # One pixel of room on either side, because corners are rounded to even numbers.
    scale = int(np.ceil((high - low + 2) / _UNIT).max())
    return _box_around((low + high) / 2, scale, frame_size)


def roomier_box(box: Box, frame_size: Size, factor: float) -> Box:
    """Return a 4:3 box around a box that is `factor` times as wide and high, as far as the frame allows."""
    corners = np.array(box, np.float64).reshape(2, 2)
    scale = int(np.rint(factor * (corners[1] - corners[0]) / _UNIT).max())
    return _box_around(corners.mean(axis=0), scale, frame_size)


def _extent(points_xy: NDArray[np.floating], frame_size: Size) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the half-open corners of the pixels that points [N, 2] lie in."""
    inside = np.clip(points_xy, 0, np.array(frame_size) - 1)
    return np.floor(inside.min(axis=0)).astype(np.int64), np.floor(inside.max(axis=0)).astype(np.int64) + 1


def _largest_scale(frame_size: Size) -> int:
    check_croppable(frame_size)
    return int((np.array(frame_size) // _UNIT).min())


def check_croppable(frame_size: Size) -> None:
    """Raise `DatasetError` for frames that are too small for a box in them."""
    if (np.array(frame_size) < _UNIT).any():
        raise DatasetError(
            f"frames of {frame_size[0]}x{frame_size[1]} pixels are too small to crop; at least 8x6 needed"
        )


def _box_around(centre_xy: NDArray[np.floating], scale: int, frame_size: Size) -> Box:
    size = _UNIT * min(scale, _largest_scale(frame_size))
    room = np.array(frame_size) - size
    x, y = (np.clip(np.rint((centre_xy - size / 2) / 2) * 2, 0, room)).astype(int).tolist()
    return x, y, x + int(size[0]), y + int(size[1])


def tracked_boxes(points_xy: Sequence[NDArray[np.floating]], frame_size: Size) -> list[Box]:
    """Return one box a frame that follows the points [N, 2] of that frame: all of one size, moving smoothly.

    The size holds the points of any frame, and as much more as they run ahead of the smoothed path. Frames without
    points take the path between their neighbours; at least one needs some.
    """
    seen = [index for index, points in enumerate(points_xy) if len(points)]
    corners = np.array([_extent(points_xy[index], frame_size) for index in seen], np.float64)
    centres = corners.mean(axis=1)
    path = np.stack([np.interp(range(len(points_xy)), seen, centres[:, axis]) for axis in (0, 1)], axis=1)
    path = _smooth(path)
    reach = np.abs(corners - path[seen][:, None]).max(axis=(0, 1))
    scale = int(np.ceil((2 * reach + 2) / _UNIT).max())
    return [_box_around(centre, scale, frame_size) for centre in path]


def _smooth(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the path [T, 2] as a Gaussian sees it; beyond its ends it goes on as it came."""
    reach = 3 * _SMOOTHING_FRAMES
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _SMOOTHING_FRAMES) ** 2)
    padded = np.pad(path, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    smooth = [np.convolve(padded[:, axis], weights / weights.sum(), mode="valid") for axis in (0, 1)]
    return np.stack(smooth, axis=1)


def holds(box: Box, points_xy: NDArray[np.floating], frame_size: Size) -> bool:
    """Return whether the box holds all points [N, 2], as far as they lie inside the frame."""
    inside = np.floor(np.clip(points_xy, 0, np.array(frame_size) - 1))
    return bool(((inside >= box[:2]) & (inside < box[2:])).all())


def leaves(bodies: Sequence[Body], frame_size: Size) -> bool:
    """Return whether any joint of these bodies lies outside the colour frame; joints without a place do not count."""
    places = np.concatenate([np.empty((0, 2)), *(body.color_xy[body.is_placed] for body in bodies)])
    return bool(((places < 0) | (places >= frame_size)).any())


def body_points(bodies: Sequence[Body]) -> NDArray[np.float64]:
    """Return the colour pixels, float64 [N, 2], that a box must hold to hold these bodies of one frame."""
    return np.concatenate([np.empty((0, 2)), *(_body_extent(body) for body in bodies)])


def _body_extent(body: Body) -> NDArray[np.float64]:
    """Return two opposite corners, float64 [2, 2], of one body with its margin; none [0, 2] if no joint has a place."""
    usable = np.isfinite(body.color_xy).all(axis=1) & body.is_placed
    if not usable.any():
        return np.empty((0, 2))
    color_xy, across_m = body.color_xy[usable].astype(np.float64), body.joints_m[usable, :2]
    spread_m = np.linalg.norm(across_m - across_m.mean(axis=0))
    px_per_m = np.linalg.norm(color_xy - color_xy.mean(axis=0)) / max(float(spread_m), 1e-3)
    margin_px = _JOINT_MARGIN_M * px_per_m
    return np.stack([color_xy.min(axis=0) - margin_px, color_xy.max(axis=0) + margin_px])


def mask_points(mask: NDArray[np.bool_], registration: Registration) -> NDArray[np.float64]:
    """Return the colour pixels, float64 [N, 2], that a box must hold to hold what is set in a depth mask [H, W]."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    if width == 0:
        return np.empty((0, 2))
    margin = _MASK_MARGIN * max(width, height)
    corners = [[x_, y_] for x_ in (x - margin, x + width - 1 + margin) for y_ in (y - margin, y + height - 1 + margin)]
    return registration.to_color(np.array(corners))


def depth_box(box: Box, registration: Registration) -> Box:
    """Return the depth pixels that a box of colour pixels covers; they may lie outside the depth frame."""
    x0, y0, x1, y1 = box
    # From pixel centres to edges and back, hence the halves.
    corners = registration.to_depth(np.array([[x0, y0], [x1, y0], [x0, y1], [x1, y1]]) - 0.5) + 0.5
    low, high = np.rint(corners.min(axis=0)).astype(int).tolist(), np.rint(corners.max(axis=0)).astype(int).tolist()
    return low[0], low[1], high[0], high[1]


def legacy_box(mask: NDArray[np.bool_], color_size: Size) -> Box | None:
    """Return the reference's box for one frame from its mask [H, W], or None where the reference crashes.

    Half the colour frame's width and height around `legacy_centre`, clipped at the borders, which changes its shape.
    Source: docs/method.md, "Published boxes", with its defect: depth pixels become colour pixels by plain stretching.
    """
    centre = legacy_centre(mask.view(np.uint8))
    if centre is None:
        return None
    height, width = mask.shape
    x, y = int(centre[0] * color_size[0] / width), int(centre[1] * color_size[1] / height)
    return legacy_window((x, y), color_size)


def legacy_window(centre_xy: tuple[int, int], color_size: Size) -> Box:
    """Return the reference's window around a colour pixel: half the frame each way, clipped at the borders."""
    x, y = centre_xy
    width, height = color_size
    half_x, half_y = width // 4, height // 4
    return max(0, x - half_x), max(0, y - half_y), min(width, x + half_x), min(height, y + half_y)
