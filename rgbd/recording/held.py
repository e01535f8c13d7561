"""Frames that have come one by one, as a stream of a recording."""

from collections.abc import Iterator, Sequence

from rgbd.recording.streams import StreamReader
from rgbd.types import Frame


class HeldStream(StreamReader):
    """Frames in memory, at least one, all of one size and kind."""

    def __init__(
        self, name: str, frames: Sequence[Frame], times_s: Sequence[float], unit_mm: float | None = None
    ) -> None:
        height, width = frames[0].shape[:2]
        self.name, self.size, self.is_depth = name, (width, height), frames[0].ndim == 2
        self.num_frames, self.times_s = len(frames), tuple(times_s)
        self._frames, self.unit_mm = frames, unit_mm

    def read(self, indices: Sequence[int] | None = None) -> Iterator[Frame]:
        """Yield the frames at these places, or all of them."""
        return iter(self._frames) if indices is None else (self._frames[index] for index in indices)
