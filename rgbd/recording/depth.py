"""The depth of a recording, in millimetres whatever its file's unit is."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rgbd.errors import ConfigError, MediaError
from rgbd.recording.streams import MiscountedError, Picture, StreamReader, frame_of
from rgbd.types import Depth, Frame

# What one unit of 16-bit depth may be: its 65,535 must reach a sensor's nearest 10 cm, and it is no more than a metre.
_UNITS_MM = (100 / 65535, 1000.0)
# Kinect, Azure Kinect and most others; tenths; RealSense SR305 and L515; 5,000 a metre; centimetres; metres.
_KNOWN_UNITS_MM = (1.0, 0.1, 0.125, 0.25, 0.2, 10.0, 1000.0)
# Half of a recording's depth is farther than this: none that sensors for a room measure, and none with people in view.
# The nearest is a hand before a SR305, the farthest what a D455 sees in a hall.
_POSSIBLE_MM, _USUAL_MM, _LIKELY_MM = (100, 20_000), (800, 8_000), (1_000, 6_000)
_FRAMES_LOOKED_AT = 5
_HELD_BYTES = 128 << 20
_SAME_UNIT = 1e-3  # by which two numbers for one unit may differ, when one was written by hand


def check_unit(unit_mm: float) -> None:
    """Raise `ConfigError` for a number of millimetres that one unit of no camera's depth is."""
    smallest, largest = _UNITS_MM
    if not (math.isfinite(unit_mm) and smallest <= unit_mm <= largest):
        raise ConfigError(
            f"depth_scale_mm {unit_mm!r}: no camera's unit of depth is that many millimetres; it is 1 for most, 0.1 to "
            "0.25 for some RealSense cameras"
        )


def unit_of(stream: StreamReader, told_mm: float | None) -> float:
    """Return how many millimetres one unit of a stream's depth is: as its file says, or as told, or else 1.

    Raises `MediaError` where the two contradict each other.
    """
    if stream.unit_mm is None:
        return 1.0 if told_mm is None else told_mm
    if told_mm is not None and not math.isclose(told_mm, stream.unit_mm, rel_tol=_SAME_UNIT):
        raise MediaError(
            f"{stream.name}: depth_scale_mm {told_mm:g} contradicts the file, by which one unit of its depth is "
            f"{stream.unit_mm:g} mm; leave depth_scale_mm out"
        )
    return stream.unit_mm


def check_distance(stream: StreamReader, unit_mm: float) -> tuple[str, ...]:
    """Return in words what is odd about how far away all is that a depth stream shows, by its first frames.

    Raises `MediaError` for what no sensor measures, and where a frame cannot be read.
    """
    frames = itertools.islice(MeasuredDepth(stream, unit_mm), _FRAMES_LOOKED_AT)
    return tuple(f"{stream.name}: {odd}" for odd in odd_distances(frames, unit_mm, stream.name))


def odd_distances(frames_mm: Iterable[Frame], unit_mm: float, name: str) -> tuple[str, ...]:
    """Return in words what is odd about how far away all is that frames show, by the first in which there is anything.

    Images of 8 bits, which depth may be, say nothing. Raises `MediaError`, naming `name`, for what no sensor measures.
    """
    depth = (frame[frame > 0] for frame in frames_mm if frame.ndim == 2)
    measured = next((found for found in depth if found.size), None)
    if measured is None:
        return ()
    median_mm = float(np.median(measured))
    if _USUAL_MM[0] <= median_mm <= _USUAL_MM[1]:
        return ()
    reason = f"half of its depth is farther than {median_mm / 1000:.3g} m{_better_unit(median_mm, unit_mm)}"
    if _POSSIBLE_MM[0] <= median_mm <= _POSSIBLE_MM[1]:
        return (f"{reason}; that is odd for people in a room",)
    raise MediaError(f"{name}: {reason}; sensors measure 0.1 to 20 m: correct the scale of depth")


def _better_unit(median_mm: float, unit_mm: float) -> str:
    """Return in words at which usual unit people would be where they usually are."""
    other_mm = likely_unit(median_mm, unit_mm)
    if other_mm is None:
        return f" at {unit_mm:.6g} mm a unit"
    fits = f"at {other_mm:g} mm it would be {median_mm / unit_mm * other_mm / 1000:.3g} m"
    return f" at {unit_mm:.6g} mm a unit; {fits} (depth_scale_mm {other_mm:g})"


def likely_unit(median_mm: float, unit_mm: float) -> float | None:
    """Return another unit at which people would be where they usually are; None where they are, or there is none.

    median_mm: half of what was measured is nearer, where a unit is `unit_mm`.
    """
    if _USUAL_MM[0] <= median_mm <= _USUAL_MM[1]:
        return None
    near, far = _LIKELY_MM
    return next((other for other in _KNOWN_UNITS_MM if near <= median_mm / unit_mm * other <= far), None)


def in_millimetres(frame: NDArray[np.uint16], unit_mm: float) -> Depth:
    """Return depth [H, W], whose unit is `unit_mm` millimetres, in whole ones; what is too far is at 65,535."""
    if unit_mm == 1:
        return frame
    return np.clip(np.rint(frame * np.float64(unit_mm)), 0, np.iinfo(np.uint16).max).astype(np.uint16)


def frame_in_millimetres(frame: Frame, unit_mm: float) -> Frame:
    """Return depth [H, W], whose unit is `unit_mm` millimetres, in whole ones, and colours [H, W, 3] as they are."""
    return in_millimetres(frame.astype(np.uint16, copy=False), unit_mm) if frame.ndim == 2 else frame


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

    def at(self, indices: Sequence[int]) -> Iterator[Depth]:
        """Yield the frames at these places, which ascend and differ; raises as iterating does."""

    def spread(self, count: int) -> list[Depth]:
        """Return at most `count` frames, spread evenly over the recording."""


class MeasuredDepth:
    """The frames of a stream whose unit is `unit_mm` millimetres."""

    def __init__(self, stream: StreamReader, unit_mm: float = 1.0) -> None:
        self._stream, self._unit_mm = stream, unit_mm

    def __len__(self) -> int:
        return self._stream.num_frames

    def __iter__(self) -> Iterator[Depth]:
        return self._frames(self._stream.read(), itertools.count())

    def at(self, indices: Sequence[int]) -> Iterator[Depth]:
        """Yield the frames at these places, which ascend and differ."""
        pictures = self._stream.read(indices)
        yield from self._frames(pictures, indices)
        for _ in pictures:  # to the end: only then a video is known to be counted rightly
            pass

    def spread(self, count: int) -> list[Depth]:
        """Return at most `count` frames, spread evenly over the recording."""
        return _spread(self, count)

    def _frames(self, pictures: Iterator[Picture], indices: Iterable[int]) -> Iterator[Depth]:
        size = None
        for index, picture in zip(indices, pictures, strict=False):
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


class HeldDepth:
    """Other frames of depth, of which those that were asked for one by one are held in memory, up to 128 MiB of them.

    Finding people looks at the same frames several times, and decoding them takes longest.
    """

    def __init__(self, frames: DepthFrames) -> None:
        self._frames, self._held, self._num_bytes = frames, dict[int, Depth](), 0

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Depth]:
        return iter(self._frames)

    def at(self, indices: Sequence[int]) -> Iterator[Depth]:
        """Yield the frames at these places, which ascend and differ."""
        missing = dict.fromkeys(
            index for index in indices if index not in self._held
        )  # while this goes on, more may be
        decoded = self._frames.at(list(missing))
        for index in indices:
            if index in missing:
                self._hold(index, frame := next(decoded))
            else:
                frame = self._held[index]
            yield frame
        for _ in decoded:  # to the end: only then a video is known to be counted rightly
            pass

    def _hold(self, index: int, frame: Depth) -> None:
        if index not in self._held and self._num_bytes + frame.nbytes <= _HELD_BYTES:
            self._held[index] = frame
            self._num_bytes += frame.nbytes

    def spread(self, count: int) -> list[Depth]:
        """Return at most `count` frames, spread evenly over the recording."""
        return _spread(self, count)


def _spread(frames: DepthFrames, count: int) -> list[Depth]:
    while True:
        last = len(frames) - 1
        try:
            return list(frames.at(np.unique(np.linspace(0, last, min(count, last + 1)).astype(int)).tolist()))
        except MiscountedError:
            continue
