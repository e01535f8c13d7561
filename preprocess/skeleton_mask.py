"""Depth and a skeleton -> which pixels are the bodies': those that lie within a bone's thickness of a bone."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.depth_camera import DepthCamera
from preprocess.floor import Floor, fit_floor
from preprocess.skeleton import BONES, NUM_JOINTS, Body, Skeleton
from preprocess.sources import Depth, DepthFrames, Mask

# Half thickness of the body around each bone, in metres, clothes included, by the joint at the bone's far end.
TORSO_M, _HEAD_M, _THIGH_M, _LIMB_M, _HAND_M = 0.20, 0.17, 0.15, 0.11, 0.13
_RADII_M = {
    **dict.fromkeys((1, 20, 2, 12, 16), TORSO_M),
    3: _HEAD_M,
    **dict.fromkeys((13, 17), _THIGH_M),
    **dict.fromkeys((7, 11, 21, 22, 23, 24), _HAND_M),
}
_BONE_RADII_M = np.array([_RADII_M.get(end, _LIMB_M) for _, end in BONES], np.float32)

_STEADY_FRAMES = 5  # a sixth of a second
_FLOOR_M = 0.03  # what lies closer to the floor belongs to it; Kinect v2's noise is a third of that
_FLOOR_SAMPLES = 8  # frames whose median shows the floor
_STEP = 2  # distances to bones are taken of every other pixel of every other row
_SURFACE_M = 0.06  # by how much the pixels between them may be farther away
_MIN_REGION_SHARE = 0.02  # of all that is taken for a body: smaller regions are noise at depth edges


def skeleton_masks(frames: DepthFrames, skeleton: Skeleton, camera: DepthCamera) -> Iterator[Mask]:
    """Yield the bool mask [H, W] of the bodies in each frame.

    A frame for which the skeleton has nobody takes the bodies of the nearest frame: they have hardly moved, and where
    they have, no depth is found around their bones. The skeleton may be shorter than the recording.
    """
    skeleton = _steadied(skeleton)
    seen = np.array([index for index, bodies in enumerate(skeleton) if bodies])
    floor = _find_floor(frames, camera)
    for index, frame in enumerate(frames):
        yield _frame_mask(frame, skeleton[seen[np.abs(seen - index).argmin()]], camera, floor)


def _steadied(skeleton: Skeleton) -> Skeleton:
    """Return the skeleton with each joint at its median place of five frames: jitter goes, lost joints come back."""
    reach = _STEADY_FRAMES // 2
    tracks: dict[str, NDArray[np.float32]] = {}
    for index, bodies in enumerate(skeleton):
        for body in bodies:
            track = tracks.setdefault(
                body.body_id, np.full((len(skeleton) + 2 * reach, NUM_JOINTS, 3), np.nan, np.float32)
            )
            track[index + reach] = body.joints_m
    steady = {}
    for body_id, track in tracks.items():
        windows = np.lib.stride_tricks.sliding_window_view(track, _STEADY_FRAMES, axis=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # joints that none of the frames has stay NaN
            steady[body_id] = np.nanmedian(windows, axis=-1)
    return [
        tuple(replace(body, joints_m=steady[body.body_id][index]) for body in bodies)
        for index, bodies in enumerate(skeleton)
    ]


def _find_floor(frames: DepthFrames, camera: DepthCamera) -> Floor | None:
    samples = frames.spread(_FLOOR_SAMPLES)
    typical = np.median([frame[::_STEP, ::_STEP] for frame in samples], axis=0).astype(np.float32) * np.float32(0.001)
    return fit_floor(camera.tangents(samples[0].shape, step=_STEP).points(typical)[typical > 0])


def _frame_mask(frame: Depth, bodies: Sequence[Body], camera: DepthCamera, floor: Floor | None) -> Mask:
    mask = np.zeros(frame.shape, np.bool_)
    for body in bodies:
        (x0, y0), (x1, y1) = _reach(body, frame.shape, camera)
        if x0 < x1 and y0 < y1:
            part = slice(y0, y1), slice(x0, x1)
            mask[part] |= _without_specks(_piece_mask(frame[part], (x0, y0), body, camera, floor))
    return mask


def _piece_mask(piece: Depth, corner_xy: tuple[int, int], body: Body, camera: DepthCamera, floor: Floor | None) -> Mask:
    """Return which pixels of the piece of the frame around one body are the body's, bool [H, W]."""
    z = piece * np.float32(0.001)
    coarse = z[::_STEP, ::_STEP]
    joints_z = body.joints_m[np.isfinite(body.joints_m).all(axis=1), 2]
    candidates = (coarse > joints_z.min() - TORSO_M) & (coarse < joints_z.max() + TORSO_M) & (coarse > 0)
    points = camera.tangents(piece.shape, corner_xy, _STEP).points(coarse)[candidates]
    near = np.zeros(coarse.shape, np.float32)
    near[candidates] = np.where(_close_to_bones(points, body), coarse[candidates], 0)
    # Every pixel is compared with the farthest body surface beside it, so that outlines are as sharp as depth is.
    surface = cv2.resize(
        cv2.dilate(near, np.ones((3, 3), np.uint8)), piece.shape[::-1], interpolation=cv2.INTER_NEAREST
    )
    mask = (z < surface + np.float32(_SURFACE_M)) & (surface > 0) & (z > 0)
    if floor is not None:
        mask &= floor.heights(camera.tangents(piece.shape, corner_xy), z) > _FLOOR_M
    return np.asarray(mask, np.bool_)


def _reach(body: Body, shape: tuple[int, ...], camera: DepthCamera) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the upper left and the lower right corner, half-open, of what a body can reach of a frame [H, W]."""
    joints_m = body.joints_m[np.isfinite(body.joints_m).all(axis=1) & (body.joints_m[:, 2] > 0)]
    if len(joints_m) == 0:
        return (0, 0), (0, 0)
    centres = joints_m[:, :2] / joints_m[:, 2:] * camera.slope + camera.centre
    reach = TORSO_M * np.abs(camera.slope) / joints_m[:, 2:]
    low, high = np.floor((centres - reach).min(axis=0)), np.ceil((centres + reach).max(axis=0)) + 1
    x0, y0, x1, y1 = np.clip([*low, *high], 0, [*shape[::-1], *shape[::-1]]).astype(int).tolist()
    return (x0, y0), (x1, y1)


def _close_to_bones(points: NDArray[np.float32], body: Body) -> NDArray[np.bool_]:
    """Return bool [N]: whether each point [N, 3] lies within the thickness of any bone."""
    starts, ends = (body.joints_m[[bone[side] for bone in BONES]] for side in (0, 1))
    whole = np.isfinite(starts).all(axis=1) & np.isfinite(ends).all(axis=1)
    starts, along, radii = starts[whole], (ends - starts)[whole], _BONE_RADII_M[whole, None]
    # With p a point, a a bone's start, d its direction: t = (p-a).d / d.d, distance^2 = |p-a|^2 - 2t (p-a).d + t^2 d.d.
    # Multiplied out, both products of all pairs [bones, N] are one product of matrices each, and the rest is in place.
    length2 = np.maximum((along**2).sum(axis=1, keepdims=True), 1e-6)
    dots = along @ points.T - (starts * along).sum(axis=1, keepdims=True)
    distances2 = -2 * starts @ points.T
    distances2 += (points**2).sum(axis=1) + (starts**2).sum(axis=1, keepdims=True)
    shares = np.clip(dots / length2, 0, 1)
    dots *= -2
    dots += shares * length2
    dots *= shares
    distances2 += dots
    return np.asarray((distances2 < radii**2).any(axis=0), np.bool_)


def _without_specks(mask: Mask) -> Mask:
    """Return the mask without regions that are tiny beside all of it."""
    num, regions, statistics, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    areas = statistics[:num, cv2.CC_STAT_AREA]
    keep = areas >= _MIN_REGION_SHARE * areas[1:].sum()
    keep[0] = False  # region 0 is what is not set
    return mask if keep[1:].all() else np.asarray(keep[regions], np.bool_)
