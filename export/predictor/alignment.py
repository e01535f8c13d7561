"""Streams laid beside each other in time: which of their frames stand for the clip."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from export.predictor.clip_request import RecordingMeta
from export.predictor.results import AlignedBy
from rgbd.clip.sampling import bin_centres
from rgbd.errors import MediaError
from rgbd.recording.timeline import Indices, Timeline, make_timeline
from rgbd.types import Stream


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

    def whole(self, meta: RecordingMeta) -> Part:
        """Return what all streams show, from `start_s` to `end_s`; raises `MediaError` when that is nothing."""
        end = min(line.end for line in self._lines.values())
        if end < 0:
            raise MediaError("rgb and depth share no time; give recordings that were made together")
        if meta.start_s == 0 and meta.end_s is None:
            return self._part(0.0, end)
        if self.by == "index":
            raise MediaError("the frame rate is not known, so start_s and end_s mean nothing; give fps, too")
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
        shared = self.whole(RecordingMeta()).num_frames
        return {stream: len(line.clock) - shared[stream] for stream, line in self._lines.items()}

    def _part(self, start: float, end: float) -> Part:
        return Part(start, end, {stream: line.between(start, end) for stream, line in self._lines.items()})


def _inner(part: Part, stream: Stream) -> tuple[int, int]:
    first, last = part.ranges[stream]
    return first, last - 1
