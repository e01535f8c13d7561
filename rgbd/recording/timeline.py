"""When the frames of a stream were taken."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
"""int64: places of frames in their stream, from 0, ascending; one may come more than once."""


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

    def apart(self, other: "Timeline") -> float:
        """Return how far apart frames of the same number are at most."""
        shorter = min(len(self.clock), len(other.clock))
        return float(np.abs(self.clock[:shorter] - other.clock[:shorter]).max())

    def counted_from(self, start: float) -> "Timeline":
        """Return the same frames on a clock that starts at this time."""
        return Timeline(self.clock - start, self.is_timed)


def make_timeline(num_frames: int, fps: float | None, times_s: tuple[float, ...] | None = None) -> Timeline:
    """Return the timeline of a stream: its own times where they make sense, else an even rate, else numbers alone."""
    times = np.array(times_s or (), np.float64)
    if len(times) == num_frames and np.all(np.diff(times) > 0):
        return Timeline(times, is_timed=True)
    return Timeline(np.arange(num_frames, dtype=np.float64) / (fps or 1.0), is_timed=fps is not None)
