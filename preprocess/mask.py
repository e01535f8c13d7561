"""Depth -> which pixels belong to bodies.

With a skeleton, a pixel belongs to a body when its place in the room lies within a bone's thickness of a bone. Without
one, when it lies in front of what the rest of the clip sees there. All limits are in metres or shares, so that any
image size will do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.skeleton import BONES, Body, Skeleton

Mask = NDArray[np.bool_]
Depth = NDArray[np.uint16]

# Half thickness of the body around each bone, in metres, clothes included, by the joint at the bone's far end.
_TORSO_M, _HEAD_M, _THIGH_M, _LIMB_M, _HAND_M = 0.20, 0.17, 0.15, 0.11, 0.13
_RADII_M = {
    **dict.fromkeys((1, 20, 2, 12, 16), _TORSO_M),
    3: _HEAD_M,
    **dict.fromkeys((13, 17), _THIGH_M),
    **dict.fromkeys((7, 11, 21, 22, 23, 24), _HAND_M),
}
_BONE_RADII_M = np.array([_RADII_M.get(end, _LIMB_M) for _, end in BONES], np.float32)

_FLOOR_M = 0.03  # what lies closer to the floor belongs to it; Kinect v2's noise is a third of that
_FEET = (14, 15, 18, 19)
_MIN_REGION_SHARE = 0.02  # of all that is taken for bodies: smaller regions are noise at depth edges

# Without a skeleton.
_BACKGROUND_PERCENTILE = 90  # a body may cover a pixel for nine tenths of the clip
_BACKGROUND_FRAMES = 32
_FOREGROUND_SHARE = 0.03  # of the distance: 9 cm at 3 m, well above the sensor's noise
_MIN_BODY_SHARE = 0.003  # of the frame: a child at 4.5 m covers 1 %
_MIN_WIDTH_SHARE = 0.01  # of the frame's height: an arm at 4.5 m covers 2 %


@dataclass(frozen=True)
class _Camera:
    """Pinhole: pixel = slope * (x/z, y/z) + centre. The slope of y is negative: rows count downwards."""

    slope: NDArray[np.float32]
    centre: NDArray[np.float32]

    def points(self, depth_mm: Depth, corner_xy: tuple[int, int]) -> NDArray[np.float32]:
        """Return the places in metres, float32 [H, W, 3], of a piece of a depth frame that starts at `corner_xy`."""
        height, width = depth_mm.shape
        columns = (np.arange(corner_xy[0], corner_xy[0] + width) - self.centre[0]) / self.slope[0]
        rows = (np.arange(corner_xy[1], corner_xy[1] + height) - self.centre[1]) / self.slope[1]
        z = depth_mm.astype(np.float32) / 1000
        return np.stack([columns * z, rows[:, None] * z, z], axis=-1).astype(np.float32)


def fit_camera(skeleton: Skeleton) -> _Camera | None:
    """Return the depth camera that the joints' metres and pixels imply, or None where they are too few to tell."""
    bodies = [body for frame in skeleton for body in frame]
    if not bodies:
        return None
    joints = np.concatenate([body.joints_m for body in bodies]).astype(np.float64)
    pixels = np.concatenate([body.depth_xy for body in bodies]).astype(np.float64)
    usable = np.isfinite(joints).all(axis=1) & np.isfinite(pixels).all(axis=1) & (joints[:, 2] > 0)
    tangents, pixels = joints[usable, :2] / joints[usable, 2:], pixels[usable]
    # Less than 0.02 apart on average is 5 cm at 2.5 m: no body stands like that, these joints are broken.
    if len(pixels) == 0 or (tangents.std(axis=0) < 0.02).any():
        return None
    fits = [np.polyfit(tangents[:, axis], pixels[:, axis], 1) for axis in (0, 1)]
    return _Camera(*np.array(fits, np.float32).T)


def skeleton_masks(frames: Sequence[Depth], skeleton: Skeleton) -> list[Mask] | None:
    """Return a bool mask [H, W] of the bodies in each uint16 millimetre frame, or None if the skeleton is of no use.

    A frame for which the skeleton has nobody takes the bodies of the nearest frame: they have hardly moved, and where
    they have, no depth is found around their bones.
    """
    camera = fit_camera(skeleton)
    if camera is None:
        return None
    seen = np.array([index for index, bodies in enumerate(skeleton) if bodies])
    nearest = [skeleton[seen[np.abs(seen - index).argmin()]] for index in range(len(frames))]
    floor = _fit_floor(frames, skeleton, camera)
    return [_frame_mask(frame, bodies, camera, floor) for frame, bodies in zip(frames, nearest, strict=True)]


def _frame_mask(frame: Depth, bodies: Sequence[Body], camera: _Camera, floor: NDArray[np.float32] | None) -> Mask:
    mask = np.zeros(frame.shape, np.bool_)
    for body in bodies:
        joints = body.joints_m[np.isfinite(body.joints_m).all(axis=1)]
        piece, corner = _around(frame, joints, camera)
        if piece.size == 0:
            continue
        rows, columns = slice(corner[1], corner[1] + piece.shape[0]), slice(corner[0], corner[0] + piece.shape[1])
        near, far = joints[:, 2].min() - _TORSO_M, joints[:, 2].max() + _TORSO_M
        candidates = (piece > near * 1000) & (piece < far * 1000) & (piece > 0)
        points = camera.points(piece, corner)[candidates]
        belongs = _close_to_bones(points, body)
        if floor is not None:
            belongs &= _above(points, floor)
        mask[rows, columns][candidates] |= belongs
    return _without_specks(mask, int(_MIN_REGION_SHARE * mask.sum()))


def _around(frame: Depth, joints_m: NDArray[np.float32], camera: _Camera) -> tuple[Depth, tuple[int, int]]:
    """Return the piece of the frame that a body can reach, and the piece's upper left corner."""
    joints_m = joints_m[joints_m[:, 2] > 0]
    if len(joints_m) == 0:
        return frame[:0], (0, 0)
    centres = joints_m[:, :2] / joints_m[:, 2:] * camera.slope + camera.centre
    reach = _TORSO_M * np.abs(camera.slope) / joints_m[:, 2:]
    limit = np.array(frame.shape[::-1])
    x0, y0 = np.clip(np.floor((centres - reach).min(axis=0)), 0, limit).astype(int).tolist()
    x1, y1 = np.clip(np.ceil((centres + reach).max(axis=0)) + 1, 0, limit).astype(int).tolist()
    return frame[y0:y1, x0:x1], (x0, y0)


def _close_to_bones(points: NDArray[np.float32], body: Body) -> NDArray[np.bool_]:
    """Return bool [N]: whether each point [N, 3] lies within the thickness of any bone."""
    starts, ends = (body.joints_m[[bone[side] for bone in BONES]] for side in (0, 1))
    whole = np.isfinite(starts).all(axis=1) & np.isfinite(ends).all(axis=1)
    starts, along, radii = starts[whole], (ends - starts)[whole], _BONE_RADII_M[whole]
    # With p a point, a a bone's start, d its direction: t = (p-a).d / d.d, distance^2 = |p-a|^2 - 2t (p-a).d + t^2 d.d;
    # multiplied out, so that all pairs [N, bones] need two matrix products and no [N, bones, 3] array.
    length2 = np.maximum((along**2).sum(axis=1), 1e-6)
    dots = points @ along.T - (starts * along).sum(axis=1)
    from_start2 = (points**2).sum(axis=1)[:, None] - 2 * points @ starts.T + (starts**2).sum(axis=1)
    shares = np.clip(dots / length2, 0, 1)
    distances2 = from_start2 + shares * (shares * length2 - 2 * dots)
    return np.asarray((distances2 < radii**2).any(axis=1), np.bool_)


def _fit_floor(frames: Sequence[Depth], skeleton: Skeleton, camera: _Camera) -> NDArray[np.float32] | None:
    """Return n, float32 [3], with n . point = 1 for points of the floor around the feet, or None where none is seen."""
    feet = np.concatenate([body.joints_m[list(_FEET)] for frame in skeleton for body in frame])
    feet = feet[np.isfinite(feet).all(axis=1)]
    if len(feet) == 0:
        return None
    typical = np.median(np.stack(frames[:: max(1, len(frames) // 16)]), axis=0).astype(np.uint16)
    points = camera.points(typical, (0, 0))[typical > 0]
    low, high = np.add(feet.min(axis=0), (-0.5, -0.2, -0.5)), np.add(feet.max(axis=0), (0.5, 0.1, 0.5))
    points = points[((points > low) & (points < high)).all(axis=1)]
    return _fit_plane(points)


def _fit_plane(points: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the plane n . point = 1 that most points [N, 3] lie on, unless fewer than a third agree (RANSAC)."""
    if len(points) < 100:
        return None
    rng = np.random.default_rng(0)
    sample = points[rng.integers(0, len(points), 2000)]
    triples = sample[rng.integers(0, len(sample), (100, 3))].astype(np.float64)
    triples = triples[np.abs(np.linalg.det(triples)) > 1e-4]
    if len(triples) == 0:
        return None
    normals = np.linalg.solve(triples, np.ones((len(triples), 3, 1)))[:, :, 0]
    distances = np.abs(sample @ normals.T - 1) / np.linalg.norm(normals, axis=1)
    agreeing = distances < _FLOOR_M / 2
    best = agreeing.sum(axis=0).argmax()
    if agreeing[:, best].mean() < 0.3:
        return None
    on_it = sample[agreeing[:, best]]
    return np.asarray(np.linalg.lstsq(on_it, np.ones(len(on_it)), rcond=None)[0], np.float32)


def _above(points: NDArray[np.float32], floor: NDArray[np.float32]) -> NDArray[np.bool_]:
    # The camera, at the origin, is above the floor: there n . point = 0 < 1.
    heights = (1 - points @ floor) / np.linalg.norm(floor)
    return np.asarray(heights > _FLOOR_M, np.bool_)


def foreground_masks(frames: Sequence[Depth]) -> list[Mask]:
    """Return a bool mask [H, W] of what moves in front of the background in each uint16 millimetre frame of a clip.

    Somebody who stands still throughout is taken for background: masks from a skeleton are better.
    """
    sampled = np.stack(frames[:: max(1, len(frames) // _BACKGROUND_FRAMES)])
    background = np.percentile(sampled, _BACKGROUND_PERCENTILE, axis=0)
    limit = background * (1 - _FOREGROUND_SHARE)
    min_area = int(_MIN_BODY_SHARE * frames[0].size)
    # Edges of far things flicker as lines one or two pixels wide: an opening takes them off.
    opening = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (max(1, round(_MIN_WIDTH_SHARE * len(background))),) * 2)
    masks = []
    for frame in frames:
        foreground = ((frame > 0) & (frame < limit)).astype(np.uint8)
        opened = cv2.morphologyEx(foreground, cv2.MORPH_OPEN, opening)
        masks.append(_without_specks(opened > 0, min_area))
    return masks


def _without_specks(mask: Mask, min_area: int) -> Mask:
    num_regions, regions, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    keep = statistics[:num_regions, cv2.CC_STAT_AREA] >= min_area
    keep[0] = False  # region 0 is what is not set
    return np.asarray(keep[regions], np.bool_)
