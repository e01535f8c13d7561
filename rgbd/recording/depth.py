"""The depth of a recording, in millimetres whatever its file's unit is."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rgbd.errors import MediaError
from rgbd.recording.streams import MiscountedError, StreamReader, frame_of
from rgbd.types import Depth, Frame


def in_millimetres(frame: NDArray[np.uint16], unit_mm: float) -> Depth:
    """Return depth [H, W], whose unit is `unit_mm` millimetres, in whole ones; what is too far is at 65,535."""
    if unit_mm == 1:
        return frame
    return np.clip(np.rint(frame * np.float64(unit_mm)), 0, np.iinfo(np.uint16).max).astype(np.uint16)


def stream_in_millimetres(frames: Sequence[Frame], unit_mm: float) -> list[Frame]:
    """Return frames of one stream: colours as they are, depth in millimetres; raises `MediaError` for a mixture."""
    check_one_kind(frames)
    return [
        in_millimetres(frame.astype(np.uint16, copy=False), unit_mm) if frame.ndim == 2 else frame for frame in frames
    ]


def check_one_kind(frames: Sequence[Frame]) -> None:
    """Raise `MediaError` where some frames are depth, [H, W], and some are colours, [H, W, 3]."""
    if len({frame.ndim for frame in frames}) > 1:
        raise MediaError("mixes frames of 16-bit depth with 8-bit images; give each stream frames of one kind")


class DepthFrames(Protocol):
    """The depth frames of one recording: as often as wanted, but never all of them in memory."""

    def __len__(self) -> int:
        """Return the number of frames."""

    def __iter__(self) -> Iterator[Depth]:
        """Yield all frames, in order. Raises `UserError` at the first that is not 16-bit depth of the first's size."""

    def spread(self, count: int) -> list[Depth]:
        """Return at most `count` frames, spread evenly over the recording."""


class MeasuredDepth:
    """The frames of a stream whose unit is `unit_mm` millimetres."""

    def __init__(self, stream: StreamReader, unit_mm: float = 1.0) -> None:
        self._stream, self._unit_mm = stream, unit_mm

    def __len__(self) -> int:
        return self._stream.num_frames

    def __iter__(self) -> Iterator[Depth]:
        return self._frames(None)

    def spread(self, count: int) -> list[Depth]:
        """Return at most `count` frames, spread evenly over the recording."""
        while True:
            last = self._stream.num_frames - 1
            try:
                return list(self._frames(np.unique(np.linspace(0, last, min(count, last + 1)).astype(int)).tolist()))
            except MiscountedError:
                continue

    def _frames(self, indices: list[int] | None) -> Iterator[Depth]:
        size = None
        places = itertools.count() if indices is None else indices
        for index, picture in zip(places, self._stream.read(indices), strict=False):
            frame = frame_of(picture)
            if frame.ndim != 2:
                raise MediaError(
                    f"{self._stream.frame_name(index)}: expected 16-bit depth of one channel, found an 8-bit image; "
                    "export depth as 16-bit"
                )
            if size is not None and frame.shape != size:
                raise MediaError(
                    f"{self._stream.frame_name(index)}: is {frame.shape[1]}x{frame.shape[0]}, the frames before are "
                    f"{size[1]}x{size[0]}; copy it again"
                )
            size = frame.shape
            yield in_millimetres(frame.astype(np.uint16, copy=False), self._unit_mm)
