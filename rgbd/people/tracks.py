"""A skeleton as the sensor gives it -> each person's joints over time: steadied, gaps bridged; furniture told apart."""

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rgbd.recording.skeletons.joint_layout import JointLayout
from rgbd.recording.skeletons.skeleton import Body, Skeleton

Joints = NDArray[np.float32]
"""Metres in the depth camera's frame, float32 [J, 3]; NaN where a joint was lost."""
_Key = tuple[str, int]


class Pose(NamedTuple):
    """One person in one frame."""

    layout: JointLayout
    joints_m: Joints


_STEADY_FRAMES = 5  # a sixth of a second
_BRIDGED_FRAMES = 30  # a second: people whom the sensor loses for that long have hardly gone elsewhere
_ALWAYS = 0.8  # of the frames
_STILL_M = 0.03  # what jitter alone moves a steadied trunk by
_WIDE = 0.8  # as wide as this share of the height is no person: as NTU's skeletons are usually cleaned (CTR-GCN)


@dataclass(frozen=True)
class BodyTrack:
    """One person: int64 [N], in which frames they are seen, and float32 [N, J, 3], their joints in those."""

    layout: JointLayout

    frames: NDArray[np.int64]
    joints_m: NDArray[np.float32]

    def gap(self, frame_index: int) -> int:
        """Return how many frames away the person is seen next, before or after."""
        return int(np.abs(self.frames - frame_index).min())

    def at(self, frame_index: int) -> Pose:
        """Return the person in the nearest frame in which they are seen."""
        joints_m = self.joints_m[np.abs(self.frames - frame_index).argmin()]
        return Pose(self.layout, np.asarray(joints_m, np.float32))

    def is_furniture(self, num_frames: int) -> bool:
        """Whether this is seen almost throughout, never moves, and is wider than people are who stand or sit.

        So would be somebody who lies still all the time. Who falls and then lies still moves, or is seen later only.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # joints that are never seen
            wander = np.nanmedian(np.nanstd(self.joints_m[:, self.layout.trunk], axis=0).max(axis=-1))
            shape = self.joints_m[:, (*self.layout.trunk, *self.layout.legs)]
            across, upright, away = np.nanmedian(np.nanmax(shape, axis=1) - np.nanmin(shape, axis=1), axis=0)
        is_always_seen = len(self.frames) > _ALWAYS * num_frames
        return bool(is_always_seen and wander < _STILL_M and max(across, away) > _WIDE * upright)


def body_tracks(skeleton: Skeleton) -> list[BodyTrack]:
    """Return the people of a skeleton."""
    return list(_tracks(skeleton).values())


def without_furniture(skeleton: Skeleton) -> Skeleton:
    """Return a skeleton without the bodies that look like furniture, where there is anybody else.

    Alone, one might be a person after all.
    """
    tracks = _tracks(skeleton)
    people = {key for key, track in tracks.items() if not track.is_furniture(len(skeleton))}
    if not people or len(people) == len(tracks):
        return skeleton
    return [tuple(body for key, body in _keyed(bodies) if key in people) for bodies in skeleton]


def _tracks(skeleton: Skeleton) -> dict[_Key, BodyTrack]:
    seen: dict[_Key, list[tuple[int, Body]]] = defaultdict(list)
    for frame_index, bodies in enumerate(skeleton):
        for key, body in _keyed(bodies):
            if body.is_placed.any():
                seen[key].append((frame_index, body))
    return {key: _track(places) for key, places in seen.items()}


def _track(seen: Sequence[tuple[int, Body]]) -> BodyTrack:
    """Return one person, seen in these frames."""
    joints_m = [np.where(body.is_placed[:, None], body.joints_m, np.float32(np.nan)) for _, body in seen]
    return BodyTrack(seen[0][1].layout, np.array([index for index, _ in seen]), _steadied(np.stack(joints_m)))


def _keyed(bodies: Iterable[Body]) -> Iterator[tuple[_Key, Body]]:
    """Yield what tells bodies apart: their identifier, and a number where the sensor gives one to two of them."""
    same_id: Counter[str] = Counter()
    for body in bodies:
        yield (body.body_id, same_id[body.body_id]), body
        same_id[body.body_id] += 1


def _steadied(joints_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return joints [N, J, 3] each at its median place of five frames: jitter goes, lost joints come back."""
    reach = _STEADY_FRAMES // 2
    padded = np.pad(joints_m, ((reach, reach), (0, 0), (0, 0)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, _STEADY_FRAMES, axis=0)
    # NaN sorts last, so the first `num_known` values are those to take the middle of.
    num_known = _STEADY_FRAMES - np.isnan(windows).sum(axis=-1, keepdims=True)
    middle = np.take_along_axis(np.sort(windows, axis=-1), np.maximum(num_known - 1, 0) // 2, axis=-1)
    return np.asarray(middle[..., 0], np.float32)


def poses_at(tracks: Sequence[BodyTrack], frame_index: int) -> list[Pose]:
    """Return everybody who is in a frame, or is lost there for a moment.

    Where there is nobody, those of the nearest frame: people have hardly moved, and where they have, no depth is found
    around their bones. The skeleton may be shorter than the recording.
    """
    gaps = [track.gap(frame_index) for track in tracks]
    longest = max(min(gaps), _BRIDGED_FRAMES)
    return [track.at(frame_index) for track, gap in zip(tracks, gaps, strict=True) if gap <= longest]
