"""Body mask or skeleton -> the box of the frame that is worth keeping, and the crop itself.

Boxes are (x0, y0, x1, y1) in pixels, half-open; sizes are (width, height).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.registration import Registration
from preprocess.skeleton import Body, Skeleton

Box = tuple[int, int, int, int]
Size = tuple[int, int]

OUTPUT_SIZE = (320, 240)  # what the networks of NTU RGB+D take; REFERENCE.md section 1
ASPECT = (4, 3)
LEGACY_MIN_AREA_PX = 500  # REFERENCE.md section 7

# Joints lie inside the body: the top of the head is 15 cm above its joint, and clothes and held things reach further.
_JOINT_MARGIN_M = 0.2
_MASK_MARGIN = 0.05  # of the mask's larger side; a mask ends at the body's edge already


def covering_box(points_xy: NDArray[np.floating], frame_size: Size) -> Box:
    """Return the smallest 4:3 box inside the frame that holds all points [N, 2]; what lies outside counts as its edge.

    Where that cannot be, because the points spread over more than the largest 4:3 box of the frame, that largest box,
    centred on them as far as the frame allows. Without points, that box in the frame's middle.
    """
    limit = np.array(frame_size)
    largest = int((limit // ASPECT).min())
    if len(points_xy) == 0:
        low, high, scale = np.zeros(2, np.int64), limit, largest
    else:
        inside = np.clip(points_xy, 0, limit - 1)
        low, high = np.floor(inside.min(axis=0)).astype(np.int64), np.floor(inside.max(axis=0)).astype(np.int64) + 1
        scale = min(largest, int(np.ceil((high - low) / ASPECT).max()))
    size = np.array(ASPECT) * scale
    x, y = np.clip((low + high - size) // 2, 0, limit - size).tolist()
    return x, y, x + int(size[0]), y + int(size[1])


def holds(box: Box, points_xy: NDArray[np.floating], frame_size: Size) -> bool:
    """Return whether the box holds all points [N, 2], as far as they lie inside the frame."""
    inside = np.floor(np.clip(points_xy, 0, np.array(frame_size) - 1))
    return bool(((inside >= box[:2]) & (inside < box[2:])).all())


def body_points(skeleton: Skeleton) -> NDArray[np.float64]:
    """Return the colour pixels, float64 [N, 2], that a box must hold to hold every body of every frame."""
    corners = [_body_extent(body) for bodies in skeleton for body in bodies]
    return np.concatenate(corners) if corners else np.empty((0, 2))


def _body_extent(body: Body) -> NDArray[np.float64]:
    """Return two opposite corners, float64 [2, 2], of one body with its margin; none [0, 2] if no joint has a place."""
    usable = np.isfinite(body.color_xy).all(axis=1) & np.isfinite(body.joints_m).all(axis=1)
    if not usable.any():
        return np.empty((0, 2))
    color_xy, across_m = body.color_xy[usable].astype(np.float64), body.joints_m[usable, :2]
    spread_m = np.linalg.norm(across_m - across_m.mean(axis=0))
    px_per_m = np.linalg.norm(color_xy - color_xy.mean(axis=0)) / max(float(spread_m), 1e-3)
    margin_px = _JOINT_MARGIN_M * px_per_m
    return np.stack([color_xy.min(axis=0) - margin_px, color_xy.max(axis=0) + margin_px])


def mask_points(masks: list[NDArray[np.bool_]], registration: Registration) -> NDArray[np.float64]:
    """Return the colour pixels, float64 [N, 2], that a box must hold to hold what is set in depth masks [H, W]."""
    covered = np.logical_or.reduce(masks)
    ys, xs = np.nonzero(covered)
    if len(xs) == 0:
        return np.empty((0, 2))
    x0, x1, y0, y1 = int(xs.min()), int(xs.max()), int(ys.min()), int(ys.max())
    margin = _MASK_MARGIN * max(x1 - x0, y1 - y0)
    corners = [[x, y] for x in (x0 - margin, x1 + margin) for y in (y0 - margin, y1 + margin)]
    return registration.to_color(np.array(corners))


def depth_box(box: Box, registration: Registration) -> Box:
    """Return the depth pixels that a box of colour pixels covers; they may lie outside the depth frame."""
    x0, y0, x1, y1 = box
    # From pixel centres to edges and back, hence the halves.
    corners = registration.to_depth(np.array([[x0, y0], [x1, y0], [x0, y1], [x1, y1]]) - 0.5) + 0.5
    low, high = np.rint(corners.min(axis=0)).astype(int).tolist(), np.rint(corners.max(axis=0)).astype(int).tolist()
    return low[0], low[1], high[0], high[1]


def crop_color(frame: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Return the box of an RGB frame [H, W, 3], resized to uint8 [240, 320, 3]."""
    x0, y0, x1, y1 = box
    # Averaging keeps detail from turning into flicker when it shrinks; it would show as blocks when it grows.
    shrinks = x1 - x0 >= OUTPUT_SIZE[0] and y1 - y0 >= OUTPUT_SIZE[1]
    filter_ = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(frame[y0:y1, x0:x1], OUTPUT_SIZE, interpolation=filter_).astype(np.uint8, copy=False)


def crop_depth(depth_mm: NDArray[np.uint16], box: Box, registration: Registration) -> NDArray[np.uint16]:
    """Return what a depth frame [H, W] sees of a box of colour pixels: uint16 [240, 320], laid exactly over the colour.

    The nearest depth pixel is taken, since a mean of near and far lies where nothing is; 0 outside the depth frame.
    """
    x0, y0, x1, y1 = box
    x, y = (x1 - x0) / OUTPUT_SIZE[0], (y1 - y0) / OUTPUT_SIZE[1]
    to_box = np.array([[x, 0, x0 + 0.5 * x - 0.5], [0, y, y0 + 0.5 * y - 0.5], [0, 0, 1]])
    to_color = np.vstack([registration.matrix, [0, 0, 1]])
    to_depth = np.linalg.solve(to_color, to_box)[:2]
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(depth_mm, to_depth, OUTPUT_SIZE, flags=flags, borderValue=0).astype(np.uint16, copy=False)


def legacy_box(masked_depth_mm: NDArray[np.uint16], color_size: Size) -> Box | None:
    """Return the reference's box for one frame from its masked depth [H, W], or None where the reference crashes.

    Half the colour frame's width and height around `legacy_centre`, clipped at the borders, which changes its shape.
    Source: REFERENCE.md section 7, with its defect: depth pixels become colour pixels by plain stretching.
    """
    centre = legacy_centre((masked_depth_mm > 0).astype(np.uint8))
    if centre is None:
        return None
    height, width = masked_depth_mm.shape
    x, y = int(centre[0] * color_size[0] / width), int(centre[1] * color_size[1] / height)
    return legacy_window((x, y), color_size)


def legacy_window(centre_xy: tuple[int, int], color_size: Size) -> Box:
    """Return the reference's window around a colour pixel: half the frame each way, clipped at the borders."""
    x, y = centre_xy
    width, height = color_size
    half_x, half_y = width // 4, height // 4
    return max(0, x - half_x), max(0, y - half_y), min(width, x + half_x), min(height, y + half_y)


def legacy_centre(mask: NDArray[np.uint8]) -> tuple[int, int] | None:
    """Return the reference's (x, y) centre of the bodies in an 8-bit mask [H, W], or None where it would crash.

    The mask is eroded 3x3 and dilated 10x10; of each outer contour above 500 px the centre of its smallest rectangle
    is taken; then the smallest x and the smallest y of all of them, which with two people may lie on neither.
    Source: REFERENCE.md section 7.
    """
    binary = (mask > 0).astype(np.uint8) * 255
    cleaned = cv2.dilate(cv2.erode(binary, np.ones((3, 3), np.uint8)), np.ones((10, 10), np.uint8))
    contours, _ = cv2.findContours(cleaned, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    centres = [cv2.minAreaRect(contour)[0] for contour in contours if cv2.contourArea(contour) > LEGACY_MIN_AREA_PX]
    if not centres:
        return None
    return int(min(x for x, _ in centres)), int(min(y for _, y in centres))
