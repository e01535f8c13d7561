"""Depth frames that lie in memory."""

from collections.abc import Iterator, Sequence

import numpy as np

from rgbd.types import Depth


class DepthList:
    """Frames of a list, as `rgbd.recording.depth.DepthFrames`."""

    def __init__(self, frames: Sequence[Depth]) -> None:
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Depth]:
        return iter(self._frames)

    def at(self, indices: Sequence[int]) -> Iterator[Depth]:
        return (self._frames[index] for index in indices)

    def spread(self, count: int) -> list[Depth]:
        places = np.linspace(0, len(self) - 1, min(count, len(self)))
        return [self._frames[index] for index in sorted({int(place) for place in places})]
