"""The depth frames of a recording with the bodies cut out, in one pass or two, a few frames in memory at a time."""

import zlib
from collections.abc import Iterator
from typing import Literal

import cv2
import numpy as np

from rgbd.camera.intrinsics import DepthCamera
from rgbd.people.masks import find_masks
from rgbd.people.removed_background import background_is_removed
from rgbd.recording.depth import DepthFrames
from rgbd.recording.skeletons.skeleton import Skeleton
from rgbd.types import Depth, Mask

MaskSource = Literal["official", "given", "skeleton", "depth"]
"""Whose masks they are: the data set's, those that the recording came with, or ours by skeleton or in depth alone."""
MaskMode = Literal["official", "body", "none"]


class MaskedDepth:
    """Depth frames, and of each which pixels are bodies'.

    source: where the bodies were found. camera: by whose lines of sight, where they were searched in depth alone.
    """

    def __init__(
        self,
        frames: DepthFrames,
        source: MaskSource,
        found: Iterator[tuple[Depth, Mask]] | None,
        camera: DepthCamera | None = None,
    ) -> None:
        """Take all frames with their masks, as they are made; None for frames that are masked already."""
        self._frames, self._found, self.camera = frames, found, camera
        self._packed: list[bytes] = []
        self.source = source

    def __len__(self) -> int:
        return len(self._frames)

    def masks(self) -> Iterator[Mask]:
        """Yield the bool mask [H, W] of every frame, once; they are kept, compressed, for `cut_out`."""
        for frame, mask in self._pairs():
            if self._found is not None:
                self._packed.append(zlib.compress(np.packbits(mask).tobytes(), 1))
            yield mask.reshape(frame.shape)

    def cut_out(self) -> Iterator[tuple[Depth, float]]:
        """Yield every frame, uint16 [H, W], with zero outside its mask, and the share of it that its mask keeps."""
        for frame, mask in self._pairs():
            masked = cv2.copyTo(frame, mask.view(np.uint8)).astype(np.uint16, copy=False)
            yield masked, np.count_nonzero(mask) / mask.size

    def _pairs(self) -> Iterator[tuple[Depth, Mask]]:
        if self._found is None:
            yield from ((frame, frame > 0) for frame in self._frames)
        elif self._packed:
            yield from (
                (frame, _unpack(packed, frame)) for frame, packed in zip(self._frames, self._packed, strict=True)
            )
        else:
            yield from self._found


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
        return MaskedDepth(frames, "official", None)
    if not is_official and background_is_removed(frames, camera):
        return MaskedDepth(frames, "given", None)
    found = find_masks(frames, "official" if mode == "official" else "body", skeleton, camera)
    return MaskedDepth(frames, found.source, found.pairs, camera if found.source == "depth" else None)
