"""Depth and a skeleton -> which pixels are the bodies': those that lie within a bone's thickness of a bone."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbd.camera.intrinsics import DepthCamera, Tangents
from rgbd.people.room import fit_floor
from rgbd.people.tracks import Pose, body_tracks, poses_at
from rgbd.recording.depth import DepthFrames
from rgbd.recording.skeletons.joint_layout import TORSO_RADIUS_M
from rgbd.recording.skeletons.skeleton import Skeleton
from rgbd.types import Depth, Mask, MaskOfFrame

_LONGEST_BONE_M = 0.7  # a tall adult's thigh is 0.5: longer ones end at a joint that was guessed

_FLOOR_M = 0.03  # what lies closer to the floor belongs to it; Kinect v2's noise is a third of that
_FLOOR_SAMPLES = 5  # frames whose median shows the floor
_STEP_SHARE = 1 / 106  # of the frame's height, 3 cm at 3 m: so far apart are pixels whose distance to bones is taken
_SURFACE_MM = 60  # by how much the pixels between them may be farther away
_MIN_REGION_SHARE = 0.02  # of all that is taken for a body: smaller regions are noise at depth edges


def skeleton_masks(frames: DepthFrames, skeleton: Skeleton, camera: DepthCamera) -> MaskOfFrame:
    """Return what tells the bodies in each frame; see `poses_at` for those without a skeleton."""
    tracks = body_tracks(skeleton)
    cutter = _Cutter(frames.spread(_FLOOR_SAMPLES), camera)
    return lambda index, frame: cutter.mask(frame, poses_at(tracks, index))


@dataclass(frozen=True)
class _Bones:
    """The bones of one body whose two joints are known: metres, float32 [N, 3] twice, and float32 [N, 1]."""

    starts: NDArray[np.float32]
    ends: NDArray[np.float32]
    radii: NDArray[np.float32]


def _bones(pose: Pose) -> _Bones:
    layout, joints_m = pose
    starts, ends = joints_m[layout.starts], joints_m[layout.ends]
    is_bone = ((ends - starts) ** 2).sum(axis=1) < _LONGEST_BONE_M**2  # not where a joint is NaN
    return _Bones(starts[is_bone], ends[is_bone], layout.radii_m[is_bone, None])


class _Cutter:
    """Cuts bodies out of the frames of one recording. Coarse pixels are every `step`-th of every `step`-th row."""

    def __init__(self, samples: Sequence[Depth], camera: DepthCamera) -> None:
        shape = samples[0].shape
        self._camera = camera
        self._step = step = max(1, round(_STEP_SHARE * shape[0]))
        self._tangents = camera.tangents(shape, step=step)
        typical = np.median([frame[::step, ::step] for frame in samples], axis=0).astype(np.float32) / np.float32(1000)
        floor = fit_floor(self._tangents.points(typical)[typical > 0])
        farthest = np.full(shape, np.inf) if floor is None else floor.limits_mm(camera.tangents(shape), _FLOOR_M)
        self._farthest_mm = np.clip(farthest, 0, np.iinfo(np.uint16).max).astype(np.uint16)

    def mask(self, frame: Depth, people: Sequence[Pose]) -> Mask:
        """Return which pixels of a frame are people's, bool [H, W], given where they are."""
        mask = np.zeros(frame.shape, np.bool_)
        step = self._step
        sparse = frame[::step, ::step]
        for pose in people:
            bones = _bones(pose)
            rows, columns = self._window(bones, sparse.shape)
            surface_mm = self._surface(sparse[rows, columns], self._tangents.part(rows, columns), bones)
            if surface_mm.any():
                part = tuple(slice(coarse.start * step, coarse.stop * step) for coarse in (rows, columns))
                piece = frame[part]
                limit = np.repeat(np.repeat(surface_mm, step, axis=0), step, axis=1)
                limit = np.minimum(limit[: piece.shape[0], : piece.shape[1]], self._farthest_mm[part])
                mask[part] |= (piece > 0) & (piece <= limit)
        return mask

    def _window(self, bones: _Bones, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """Return the coarse rows and columns that a body with these bones can reach."""
        if len(bones.starts) == 0:
            return slice(0, 0), slice(0, 0)
        ends = np.concatenate([bones.starts, bones.ends])
        centres = ends[:, :2] / ends[:, 2:] * self._camera.slope + self._camera.centre
        reach = TORSO_RADIUS_M * np.abs(self._camera.slope) / ends[:, 2:]
        low = np.floor((centres - reach).min(axis=0) / self._step)
        high = np.ceil((centres + reach).max(axis=0) / self._step) + 1
        x0, y0, x1, y1 = np.clip([*low, *high], 0, [*shape[::-1], *shape[::-1]]).astype(int).tolist()
        return slice(y0, y1), slice(x0, x1)

    def _surface(self, piece: Depth, tangents: Tangents, bones: _Bones) -> NDArray[np.uint16]:
        """Return up to which distance depth is a body's around each coarse pixel, millimetres, 0 where none is."""
        near = np.zeros(piece.shape, np.uint16)
        if piece.size > 0:
            z = piece * np.float32(0.001)
            depths = np.concatenate([bones.starts, bones.ends])[:, 2]
            places = np.nonzero((z > max(0, depths.min() - TORSO_RADIUS_M)) & (z < depths.max() + TORSO_RADIUS_M))
            is_body = _close_to_bones(tangents.points_at(places, z[places]), bones)
            near[places] = np.where(is_body, piece[places] + _SURFACE_MM, 0)
            # Pixels are compared with the farthest surface beside them, so that outlines are as sharp as depth is.
            near = np.asarray(cv2.dilate(_without_specks(near), np.ones((3, 3), np.uint8)), np.uint16)
        return near


def _close_to_bones(points: NDArray[np.float32], bones: _Bones) -> NDArray[np.bool_]:
    """Return bool [N]: whether each point [N, 3] lies within the thickness of any bone."""
    # With p a point, a a bone's start, d its direction: t = (p-a).d / d.d, distance^2 = |p-a|^2 - 2t (p-a).d + t^2 d.d.
    # Multiplied out, both products of all pairs [bones, N] are one product of matrices each, and the rest is in place.
    starts, along = bones.starts, bones.ends - bones.starts
    length2 = np.maximum((along**2).sum(axis=1, keepdims=True), 1e-6)
    dots = along @ points.T - (starts * along).sum(axis=1, keepdims=True)
    distances2 = -2 * starts @ points.T
    distances2 += (points**2).sum(axis=1) + (starts**2).sum(axis=1, keepdims=True)
    shares = np.clip(dots / length2, 0, 1)
    dots *= -2
    dots += shares * length2
    dots *= shares
    distances2 += dots
    return np.asarray((distances2 < bones.radii**2).any(axis=0), np.bool_)


def _without_specks(near: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return values [H, W] with 0 for regions that are tiny beside all that is not 0."""
    num, regions, statistics, _ = cv2.connectedComponentsWithStats((near > 0).view(np.uint8))
    areas = statistics[:num, cv2.CC_STAT_AREA]
    is_tiny = areas < _MIN_REGION_SHARE * areas[1:].sum()
    return np.where(is_tiny[regions], 0, near).astype(np.uint16, copy=False) if is_tiny[1:].any() else near
