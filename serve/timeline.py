"""When the frames of each stream were taken, and so which of them stand for the clip."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rgbd.clip.sampling import bin_centres
from rgbd.errors import MediaError
from rgbd.types import Stream
from serve.schemas import ClipMeta

Indices = NDArray[np.int64]
"""int64: places of frames in their stream, from 0, ascending; one may come more than once."""

AlignedBy = Literal["time", "index"]


@dataclass(frozen=True, eq=False)
class Timeline:
    """When each frame was taken: float64 [N], ascending, in seconds; where nobody knows, its number stands for it."""

    clock: NDArray[np.float64]
    is_timed: bool

    @cached_property
    def interval(self) -> float:
        """What usually passes from one frame to the next."""
        return float(np.median(np.diff(self.clock))) if len(self.clock) > 1 else 0.0 if self.is_timed else 1.0

    @property
    def start(self) -> float:
        """When the first frame comes."""
        return float(self.clock[0])

    @property
    def end(self) -> float:
        """When the last frame gives way."""
        return float(self.clock[-1]) + self.interval

    def between(self, start: float, end: float) -> tuple[int, int]:
        """Return the half-open range of the frames in a stretch of time, at least one."""
        first, last = (int(place) for place in np.searchsorted(self.clock, np.array([start, end]) - self.interval / 2))
        first = min(first, len(self.clock) - 1)
        return first, max(last, first + 1)

    def nearest(self, times: NDArray[np.float64]) -> Indices:
        """Return the frames that are nearest to these times."""
        middles = (self.clock[1:] + self.clock[:-1]) / 2
        return np.searchsorted(middles, times).astype(np.int64)

    def counted_from(self, start: float) -> "Timeline":
        """Return the same frames on a clock that starts at this time."""
        return Timeline(self.clock - start, self.is_timed)


def make_timeline(num_frames: int, fps: float | None, times_s: tuple[float, ...] | None = None) -> Timeline:
    """Return the timeline of a stream: its own times where they make sense, else an even rate, else numbers alone."""
    if num_frames == 0:
        raise MediaError("holds no frames; record it again")
    times = np.array(times_s or (), np.float64)
    if len(times) == num_frames and np.all(np.diff(times) > 0):
        return Timeline(times, is_timed=True)
    return Timeline(np.arange(num_frames, dtype=np.float64) / (fps or 1.0), is_timed=fps is not None)


@dataclass(frozen=True)
class Part:
    """A stretch of the clip, from `start` to `end` on the clock, and each stream's frames in it, a half-open range."""

    start: float
    end: float
    ranges: dict[Stream, tuple[int, int]]

    @property
    def num_frames(self) -> dict[Stream, int]:
        """How many frames of each stream there are to choose from."""
        return {stream: last - first for stream, (first, last) in self.ranges.items()}


class Alignment:
    """Streams laid beside each other. Frames are chosen of the first; of the other, those that were taken with them.

    The clock starts with what all of them show. Where a stream does not know its times, frames of the same number were
    taken together.
    """

    def __init__(self, timelines: Mapping[Stream, Timeline]) -> None:
        self.by: AlignedBy = "time" if all(line.is_timed for line in timelines.values()) else "index"
        start = max(line.start for line in timelines.values())
        self._lines = {
            stream: line.counted_from(start) if self.by == "time" else make_timeline(len(line.clock), None)
            for stream, line in timelines.items()
        }

    def whole(self, meta: ClipMeta) -> Part:
        """Return what all streams show, from `start_s` to `end_s`; raises `MediaError` when that is nothing."""
        end = min(line.end for line in self._lines.values())
        if end < 0:
            raise MediaError("rgb and depth share no time; send recordings that were made together")
        if meta.start_s == 0 and meta.end_s is None:
            return self._part(0.0, end)
        if self.by == "index":
            raise MediaError("the frame rate is not known, so start_s and end_s mean nothing; send fps in meta, too")
        if meta.start_s >= end:
            raise MediaError(f"the clip lasts {end:.2f} s: nothing begins at start_s {meta.start_s:g}")
        return self._part(meta.start_s, end if meta.end_s is None else min(end, meta.end_s))

    def split(self, part: Part, num_parts: int) -> list[Part]:
        """Return a stretch as so many equally long ones that follow each other."""
        edges = np.linspace(part.start, part.end, num_parts + 1).tolist()
        return [self._part(start, end) for start, end in pairwise(edges)]

    def sample(self, part: Part, num_frames: int) -> dict[Stream, Indices]:
        """Return `num_frames` frames of each stream, spread evenly over a part as training's evaluation does it."""
        (leader, line), *_ = self._lines.items()
        first, last = part.ranges[leader]
        # Where the rate is uneven, places say little about times: those of an even rate are taken.
        even = np.linspace(line.clock[first], line.clock[last - 1], last - first)
        chosen = line.nearest(even[bin_centres(last - first, num_frames)])
        return {
            stream: chosen if stream == leader else np.clip(other.nearest(line.clock[chosen]), *_inner(part, stream))
            for stream, other in self._lines.items()
        }

    def outside(self) -> dict[Stream, int]:
        """Return how many frames of each stream have no counterpart, because the other had not begun or was over."""
        shared = self.whole(ClipMeta()).num_frames
        return {stream: len(line.clock) - shared[stream] for stream, line in self._lines.items()}

    def _part(self, start: float, end: float) -> Part:
        return Part(start, end, {stream: line.between(start, end) for stream, line in self._lines.items()})


def _inner(part: Part, stream: Stream) -> tuple[int, int]:
    first, last = part.ranges[stream]
    return first, last - 1
