"""Depth as MSR-Action3D publishes it, one .bin file a recording; it knows no times.

Source: the loaders of MeteorNet and of others, which agree: three numbers, of frames, of columns and of rows, and then
the frames, row by row, each pixel a number; all are int32, least byte first. Data sets of the same makers that came
later, such as MSRDailyActivity3D, have a byte for each pixel behind every row, which says whose it is.
"""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rgbd.errors import MediaError, reason_of
from rgbd.recording.limits import Limits
from rgbd.recording.streams import StreamReader
from rgbd.types import Depth

_HEADER = struct.Struct("<3i")
_PIXEL = np.dtype("<i4")
_MAX_FRAMES, _MAX_SIDE = 1 << 20, 1 << 13  # of any recording; a header that says more is of another kind of file


class _Counts(NamedTuple):
    """What a header says."""

    num_frames: int
    width: int
    height: int

    @property
    def can_be(self) -> bool:
        return 0 < self.num_frames <= _MAX_FRAMES and 0 < self.width <= _MAX_SIDE and 0 < self.height <= _MAX_SIDE

    @property
    def frame_bytes(self) -> int:
        return self.width * self.height * _PIXEL.itemsize

    @property
    def file_bytes(self) -> int:
        return _HEADER.size + self.num_frames * self.frame_bytes

    def __str__(self) -> str:
        return f"{self.num_frames} frames of {self.width}x{self.height}"


class MsrDepthReader(StreamReader):
    """The depth of one .bin file, uint16 [H, W] a frame."""

    is_depth = True

    def __init__(self, path: Path, counts: _Counts, num_held: int, limits: Limits) -> None:
        limits.check_frames(counts.num_frames)
        limits.check_pixels(counts.width, counts.height)
        self._path, self._counts, self._limits = path, counts, limits
        self.name, self.num_frames, self.size = str(path), num_held, (counts.width, counts.height)
        self._lacks = () if num_held == counts.num_frames else (_held(counts, num_held),)

    @property
    def damage(self) -> tuple[str, ...]:
        """How many of the promised frames the file lacks."""
        return self._lacks

    def read(self, indices: Sequence[int] | None = None) -> Iterator[Depth]:
        """Yield the frames at these places, or all of them."""
        self._limits.check_damage(self.name, self._lacks)
        frame_bytes = self._counts.frame_bytes
        for index in range(self.num_frames) if indices is None else indices:
            data = _bytes_at(self._path, _HEADER.size + index * frame_bytes, frame_bytes)
            if len(data) < frame_bytes:
                raise MediaError(f"{self.frame_name(index)}: is no longer there; copy the file again")
            yield self._frame(data, index)

    def _frame(self, data: bytes, index: int) -> Depth:
        frame = np.frombuffer(data, _PIXEL).reshape(self._counts.height, self._counts.width)
        lowest, highest = frame.min(), frame.max()
        if lowest < 0 or highest > np.iinfo(np.uint16).max:
            raise MediaError(
                f"{self.frame_name(index)}: holds values from {lowest} to {highest}; depth is from 0 to 65535: copy "
                "the file again"
            )
        return frame.astype(np.uint16)


def is_msr_depth(head: bytes) -> bool:
    """Return whether a file begins with counts, as such depth does; hardly any other file has these bytes."""
    return len(head) >= _HEADER.size and _Counts(*_HEADER.unpack_from(head)).can_be


def open_msr_depth(path: Path, limits: Limits) -> list[MsrDepthReader]:
    """Return the depth of a .bin file as one stream; raises `MediaError` where it is none."""
    head = _bytes_at(path, 0, _HEADER.size)
    if len(head) < _HEADER.size:
        raise MediaError(f"{path}: ends after {len(head)} bytes, within its header; copy it again")
    counts, num_bytes = _Counts(*_HEADER.unpack(head)), path.stat().st_size
    if not counts.can_be:
        raise MediaError(f"{path}: its header says {counts}, which cannot be; copy it again")
    if num_bytes > counts.file_bytes:
        raise MediaError(
            f"{path}: has {num_bytes} bytes, but its {counts} take {counts.file_bytes}; depth with a byte of skeleton "
            "for each pixel, as MSRDailyActivity3D has, is not read here: save depth alone"
        )
    num_held = (num_bytes - _HEADER.size) // counts.frame_bytes
    if num_held == 0:
        raise MediaError(f"{path}: {_held(counts, 0)}; copy it again")
    return [MsrDepthReader(path, counts, num_held, limits)]


def _held(counts: _Counts, num_held: int) -> str:
    return f"holds {num_held} of the {counts.num_frames} frames that its header promises"


def _bytes_at(path: Path, start: int, num_bytes: int) -> bytes:
    """Return these bytes of a file, or fewer where it ends."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(num_bytes)
    except OSError as error:
        raise MediaError(f"{path}: cannot be read ({reason_of(error)}); check the path") from error
