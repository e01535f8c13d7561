"""Streams laid beside each other in time: which of their frames stand for the clip."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from rgbd.clip.sampling import bin_centres
from rgbd.errors import MediaError
from rgbd.recording.timeline import Indices, Timeline, make_timeline
from rgbd.types import Stream

AlignedBy = Literal["time", "index"]
"""How frames of two streams were brought together: by when they were taken, or by their number."""


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
    taken together. share_clock: whether times are of one clock, as of the tracks of a file; else streams begin
    together.
    """

    def __init__(self, timelines: Mapping[Stream, Timeline], *, share_clock: bool = True) -> None:
        self.by: AlignedBy = "time" if all(line.is_timed for line in timelines.values()) else "index"
        lines = {stream: line if share_clock else line.counted_from(line.start) for stream, line in timelines.items()}
        start = max(line.start for line in lines.values())
        self._lines = {
            stream: line.counted_from(start) if self.by == "time" else make_timeline(len(line.clock), None)
            for stream, line in lines.items()
        }

    def whole(self, start_s: float = 0.0, end_s: float | None = None) -> Part:
        """Return what all streams show, from `start_s` to `end_s`; raises `MediaError` when that is nothing."""
        end = min(line.end for line in self._lines.values())
        if end < 0:
            raise MediaError("rgb and depth share no time; give recordings that were made together")
        if start_s == 0 and end_s is None:
            return self._part(0.0, end)
        if self.by == "index":
            raise MediaError("the frame rate is not known, so start_s and end_s mean nothing; give fps, too")
        if start_s >= end:
            raise MediaError(f"the clip lasts {end:.2f} s: nothing begins at start_s {start_s:g}")
        return self._part(start_s, end if end_s is None else min(end, end_s))

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
        return self._taken_with(line.nearest(even[bin_centres(last - first, num_frames)]), part)

    def pairs(self) -> dict[Stream, Indices]:
        """Return all frames of the first stream that all streams show, each with the other's that was taken with it.

        Where the streams are in step, these are the frames of the same numbers. Raises as `whole`.
        """
        if self.is_in_step:
            numbers = np.arange(min(len(line.clock) for line in self._lines.values()), dtype=np.int64)
            return dict.fromkeys(self._lines, numbers)
        part = self.whole()
        first, last = part.ranges[next(iter(self._lines))]
        return self._taken_with(np.arange(first, last, dtype=np.int64), part)

    @property
    def is_in_step(self) -> bool:
        """Whether frames of the same number were taken together, within half an interval of the first stream."""
        leader, *others = self._lines.values()
        return all(leader.apart(other) <= leader.interval / 2 for other in others)

    def farthest(self, pairs: Mapping[Stream, Indices]) -> float:
        """Return how far apart in time the frames of a pair are at most; in frames, where nobody knows times."""
        clocks = [line.clock[pairs[stream]] for stream, line in self._lines.items()]
        return float(np.ptp(clocks, axis=0).max())

    def outside(self) -> dict[Stream, int]:
        """Return how many frames of each stream have no counterpart, because the other had not begun or was over."""
        shared = self.whole().num_frames
        return {stream: len(line.clock) - shared[stream] for stream, line in self._lines.items()}

    def _taken_with(self, chosen: Indices, part: Part) -> dict[Stream, Indices]:
        """Return frames of the first stream, and those of each other stream in this part that are nearest in time."""
        (leader, line), *_ = self._lines.items()
        return {
            stream: chosen if stream == leader else np.clip(other.nearest(line.clock[chosen]), *_inner(part, stream))
            for stream, other in self._lines.items()
        }

    def _part(self, start: float, end: float) -> Part:
        return Part(start, end, {stream: line.between(start, end) for stream, line in self._lines.items()})


def _inner(part: Part, stream: Stream) -> tuple[int, int]:
    first, last = part.ranges[stream]
    return first, last - 1
