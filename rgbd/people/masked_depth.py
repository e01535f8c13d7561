"""The depth frames of a recording with the bodies cut out, in one pass or two, a few frames in memory at a time."""

import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Literal

import cv2
import numpy as np

from rgbd.camera.intrinsics import DepthCamera
from rgbd.people.individuals import Individual, find_individuals, mask_of
from rgbd.people.masks import find_masks
from rgbd.people.removed_background import background_is_removed
from rgbd.recording.depth import DepthFrames
from rgbd.recording.skeletons.skeleton import Skeleton
from rgbd.types import Depth, Mask, MaskOfFrame

MaskSource = Literal["official", "given", "skeleton", "depth"]
"""Whose masks they are: the data set's, those that the recording came with, or ours by skeleton or in depth alone."""
MaskMode = Literal["official", "body", "none"]


class MaskedDepth:
    """Depth frames, and of each which pixels are bodies'.

    source: where the bodies were found. camera: by whose lines of sight they are searched in depth alone.
    """

    def __init__(
        self, frames: DepthFrames, source: MaskSource, find: Callable[[], MaskOfFrame] | None, camera: DepthCamera
    ) -> None:
        """Take all frames, and what finds their masks; None for frames that are masked already."""
        self._frames, self._find, self.source, self.camera = frames, find, source, camera
        self._packed: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._frames)

    def masks(self, indices: Sequence[int] | None = None) -> Iterator[tuple[int, Mask]]:
        """Yield numbers and bool masks [H, W] of frames; masks are kept, compressed, for `cut_out`.

        indices: of which, ascending and different; None for all.
        """
        for index, frame in self._numbered(indices):
            mask = self.mask_at(index, frame)
            if self._find is not None:
                self._packed[index] = zlib.compress(np.packbits(mask).tobytes(), 1)
            yield index, mask

    def cut_out(self, indices: Sequence[int] | None = None) -> Iterator[tuple[Depth, float]]:
        """Yield frames, uint16 [H, W], with zero outside their masks, and the share of each that its mask keeps.

        indices: which, ascending and different; None for all.
        """
        for index, frame in self._numbered(indices):
            mask = self.mask_at(index, frame)
            yield masked(frame, mask), np.count_nonzero(mask) / mask.size

    def _numbered(self, indices: Sequence[int] | None) -> Iterator[tuple[int, Depth]]:
        places: Iterable[int] = itertools.count() if indices is None else indices
        frames = iter(self._frames) if indices is None else self._frames.at(indices)
        return ((index, frame) for frame, index in zip(frames, places, strict=False))

    def mask_at(self, index: int, frame: Depth) -> Mask:
        """Return the bool mask [H, W] of one frame, which may have been taken after all others."""
        if self._find is None:
            return frame > 0
        packed = self._packed.get(index)
        return self._mask_of(index, frame) if packed is None else _unpack(packed, frame)

    @cached_property
    def _mask_of(self) -> MaskOfFrame:
        assert self._find is not None
        return self._find()

    def individuals(self, indices: Sequence[int]) -> list[Individual]:
        """Return the people whom the masks of these frames show, the largest first."""
        frames = ((index, frame, self.mask_at(index, frame)) for index, frame in self._numbered(indices))
        return find_individuals(frames, self.camera)

    def only(self, person: int, people: Sequence[Individual]) -> "MaskedDepth":
        """Return the same frames with the masks of one of the people."""

        def mask(index: int, frame: Depth) -> Mask:
            return mask_of(person, people, index, frame, self.mask_at(index, frame), self.camera)

        return MaskedDepth(self._frames, self.source, lambda: mask, self.camera)


def masked(frame: Depth, mask: Mask) -> Depth:
    """Return a frame, uint16 [H, W], with zero outside its mask."""
    return cv2.copyTo(frame, mask.view(np.uint8)).astype(np.uint16, copy=False)


def _unpack(packed: bytes, frame: Depth) -> Mask:
    bits = np.unpackbits(np.frombuffer(zlib.decompress(packed), np.uint8), count=frame.size)
    return bits.reshape(frame.shape).view(np.bool_)


def mask_depth(
    frames: DepthFrames, skeleton: Skeleton, mode: MaskMode, camera: DepthCamera, *, is_official: bool
) -> MaskedDepth:
    """Return the bodies of a recording as `mode` wants them.

    Official masks stay as they are, but that mode "body" takes floor and furniture out of them where a skeleton says
    what is body. Depth that comes without a background stays as it is. Mode "none" masks nothing in the end, but the
    box may need to know where the people are.
    """
    if is_official and (mode != "body" or not any(skeleton)):
        return MaskedDepth(frames, "official", None, camera)
    if not is_official and background_is_removed(frames, camera):
        return MaskedDepth(frames, "given", None, camera)
    found = find_masks(frames, "official" if mode == "official" else "body", skeleton, camera)
    return MaskedDepth(frames, found.source, found.find, camera)
