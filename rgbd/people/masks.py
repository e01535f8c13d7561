"""Depth -> which pixels are kept of it: the people's alone, or the region around them as in NTU's official masks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rgbd.camera.intrinsics import DepthCamera, fit_camera
from rgbd.people.depth_search import search_bodies
from rgbd.people.skeleton_masks import skeleton_masks
from rgbd.recording.depth import DepthFrames
from rgbd.recording.skeletons.skeleton import Skeleton, joints_of
from rgbd.types import Depth, Mask, MaskOfFrame

PeopleSource = Literal["skeleton", "depth"]

_MARGIN_SHARE = 0.03  # of the frame's height: the official masks keep about as much beside the bodies
_MARGIN_MM = 200  # before and behind them
_MIXED_SHARE = 0.01  # of a body's pixels: on its outline, a sensor mixes its distance with the background's


@dataclass(frozen=True)
class FoundMasks:
    """Where the bodies are found, the frames, and what looks at some of them for what makes the masks of all."""

    source: PeopleSource
    frames: DepthFrames
    find: Callable[[], MaskOfFrame]

    @property
    def pairs(self) -> Iterator[tuple[Depth, Mask]]:
        """All frames, each with its mask."""
        mask_of = self.find()
        return ((frame, mask_of(index, frame)) for index, frame in enumerate(self.frames))


def find_masks(
    frames: DepthFrames, mode: Literal["official", "body"], skeleton: Skeleton, camera: DepthCamera
) -> FoundMasks:
    """Return the masks of a recording: by its skeleton, or by depth alone where the skeleton is of no use.

    Mode "body" keeps the people only. Mode "official" behaves as NTU's published masked depth: the bounding region of
    the bodies of the whole clip, in the picture and in depth, with the patch of floor that lies in it. camera: that of
    depth; a skeleton tells its own.
    """
    by_skeleton = fit_camera(*joints_of(skeleton))
    if by_skeleton is not None:
        bodies = FoundMasks("skeleton", frames, partial(skeleton_masks, frames, skeleton, by_skeleton))
    else:
        bodies = FoundMasks("depth", frames, partial(search_bodies, frames, camera))
    return bodies if mode == "body" else replace(bodies, find=partial(_region_masks, bodies))


@dataclass
class _Region:
    """What bodies take up: rows, columns and millimetres from `low` to `high`, both int64 [3] and inclusive."""

    low: NDArray[np.int64]
    high: NDArray[np.int64]

    def include(self, frame: Depth, mask: Mask) -> None:
        rows, columns = np.nonzero(mask)
        if len(rows):
            millimetres = frame[rows, columns]
            farthest = np.percentile(millimetres, 100 * (1 - _MIXED_SHARE), method="nearest")
            self.low = np.minimum(self.low, [rows[0], columns.min(), millimetres.min()])
            self.high = np.maximum(self.high, [rows[-1], columns.max(), farthest])


def _region_masks(bodies: FoundMasks) -> MaskOfFrame:
    """Return what keeps of each frame the one region that holds all bodies, which takes a pass over them."""
    largest = np.iinfo(np.uint16).max
    region = _Region(np.full(3, largest), np.zeros(3, np.int64))
    for frame, mask in bodies.pairs:
        region.include(frame, mask)
    nearest_mm, farthest_mm = np.clip([region.low[2] - _MARGIN_MM, region.high[2] + _MARGIN_MM], 1, largest)

    def mask_of(_: int, frame: Depth) -> Mask:
        margin = round(_MARGIN_SHARE * frame.shape[0])
        part = tuple(slice(max(0, region.low[axis] - margin), region.high[axis] + margin + 1) for axis in (0, 1))
        mask = np.zeros(frame.shape, np.bool_)
        mask[part] = (frame[part] >= nearest_mm) & (frame[part] <= farthest_mm)
        return mask

    return mask_of
