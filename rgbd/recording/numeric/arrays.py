"""Recordings as arrays of NumPy's, in an .npy or an .npz; they know no times. Pickles are never read."""

import math
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rgbd.errors import MediaError, reason_of
from rgbd.recording.archive import DAMAGE_ERRORS, check_packing, members_of, opened_archive
from rgbd.recording.limits import Limits
from rgbd.recording.metres import METRES_UNIT_MM, Metres
from rgbd.recording.streams import StreamReader
from rgbd.types import Frame

NPY_MAGIC = b"\x93NUMPY"

_AT_ONCE_BYTES = 1 << 20
_MAX_ARRAYS = 100
_EXPECTED = (
    "uint8 [frames, height, width, 3], uint16 millimetres [frames, height, width], or floating-point metres of that "
    "shape"
)


class _Header(NamedTuple):
    """What an array says of itself, and where its numbers begin in its file."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype[Any]
    start: int

    @property
    def is_metres(self) -> bool:
        return len(self.shape) == 3 and self.dtype.kind == "f"

    @property
    def is_depth(self) -> bool:
        return self.is_metres or (len(self.shape) == 3 and (self.dtype.kind, self.dtype.itemsize) == ("u", 2))

    @property
    def is_color(self) -> bool:
        return len(self.shape) == 4 and self.shape[3] == 3 and self.dtype == np.uint8

    @property
    def is_stream(self) -> bool:
        return (self.is_depth or self.is_color) and min(self.shape) > 0

    @property
    def frame_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def num_held(self, num_bytes: int) -> int:
        """Return how many whole frames a file of so many bytes can hold."""
        return min(self.shape[0], (num_bytes - self.start) // self.frame_bytes)

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


class ArrayReader(StreamReader):
    """An array of colour, uint8 [frames, height, width, 3], or of depth, [frames, height, width].

    Depth is uint16, or floating point, which is metres.
    """

    def __init__(self, path: Path, header: _Header, limits: Limits, damage: tuple[str, ...] = ()) -> None:
        self._path, self._header, self._limits, self._damage = path, header, limits, damage
        self._metres = Metres()
        num_frames, height, width = header.shape[:3]
        limits.check_frames(num_frames)
        limits.check_pixels(width, height)
        self.name, self.num_frames, self.size, self.is_depth = str(path), num_frames, (width, height), header.is_depth
        self.unit_mm = METRES_UNIT_MM if header.is_metres else None

    def read(self, indices: Sequence[int] | None = None) -> Iterator[Frame]:
        """Yield the frames at these places, or all of them."""
        self._limits.check_damage(self.name, self._damage)
        wanted = range(self.num_frames) if indices is None else indices
        for index, frame in zip(wanted, self._stored(wanted), strict=True):
            if self._header.is_metres:
                yield self._metres.millimetres(frame, self.frame_name(index))
            else:  # in this machine's order of bytes
                yield frame.astype(np.uint16) if self.is_depth else frame.astype(np.uint8)

    @property
    def damage(self) -> tuple[str, ...]:
        """What the file lacks, and what of its depth was too far to be taken."""
        return (*self._damage, *self._metres.too_far)

    def _stored(self, indices: Sequence[int]) -> Iterator[NDArray[Any]]:
        """Yield frames as they lie in the file, of which no others come into memory where they lie one by one."""
        header = self._header
        with self._opened() as file:
            if header.is_fortran:  # each frame is spread over all of it
                array = np.lib.format.read_array(file, allow_pickle=False)
                yield from (np.ascontiguousarray(array[index]) for index in indices)
                return
            for index in indices:
                file.seek(header.start + index * header.frame_bytes)
                yield np.frombuffer(file.read(header.frame_bytes), header.dtype).reshape(header.shape[1:])
            self._finish(file)

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        try:
            with self._path.open("rb") as file:
                yield file
        except DAMAGE_ERRORS as error:
            raise MediaError(f"{self._path}: cannot be read ({reason_of(error)}); copy it again") from error

    def _finish(self, file: IO[bytes]) -> None:
        """Check what can only be checked at the end."""


class PackedArrayReader(ArrayReader):
    """An array of an .npz, which is unpacked as far as it is read."""

    def __init__(self, path: Path, header: _Header, member: zipfile.ZipInfo, limits: Limits) -> None:
        super().__init__(path, header, limits)
        self._member, self.track = member, PurePosixPath(member.filename).stem

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        with opened_archive(self._path) as archive, archive.open(self._member) as file:
            yield file

    def _finish(self, file: IO[bytes]) -> None:
        while file.read(_AT_ONCE_BYTES):  # to the end: only then its checksum tells
            pass


def open_npy(path: Path, limits: Limits) -> list[ArrayReader]:
    """Return the array of an .npy as one stream; raises `MediaError` where it is of another shape or kind.

    Of a file that was cut, the frames that it holds are the stream.
    """
    try:
        with path.open("rb") as file:
            header = _header(file)
        num_bytes = path.stat().st_size
    except DAMAGE_ERRORS as error:
        raise MediaError(f"{path}: the array's header cannot be read ({reason_of(error)}); save it again") from error
    _check_kind(path, header)
    limits.check_frames(header.shape[0])
    num_held = header.num_held(num_bytes)
    if num_held == header.shape[0]:
        return [ArrayReader(path, header, limits)]
    lacks = f"holds {num_held} of the {header.shape[0]} frames that its header promises"
    if num_held == 0 or header.is_fortran:
        raise MediaError(f"{path}: {lacks}; copy it again")
    return [ArrayReader(path, header._replace(shape=(num_held, *header.shape[1:])), limits, (lacks,))]


def is_npz(path: Path) -> bool:
    """Return whether a zip archive holds arrays, and nothing else."""
    with opened_archive(path) as archive:
        return {PurePosixPath(member.filename).suffix for member in members_of(archive)} == {".npy"}


def open_npz(path: Path, limits: Limits) -> list[PackedArrayReader]:
    """Return the arrays of an .npz that are colour or depth as streams, called by their names.

    Raises `MediaError` where there is none, or one says more than there is.
    """
    with opened_archive(path) as archive:
        members = members_of(archive)
        if len(members) > _MAX_ARRAYS:
            raise MediaError(f"{path}: holds {len(members)} arrays; save colour and depth alone")
        arrays = {member: _header_of(archive, member) for member in members}
    streams = {member: header for member, header in arrays.items() if header.is_stream}
    if not streams:
        found = ", ".join(map(str, arrays.values()))
        raise MediaError(
            f"{path}: the {'array is' if len(arrays) == 1 else 'arrays are'} {found}; expected {_EXPECTED}"
        )
    for member, header in streams.items():
        check_packing(member)
        if header.num_held(member.file_size) < header.shape[0]:
            raise MediaError(f"{path}: the array has fewer numbers than the {header} that it says; save it again")
    return [PackedArrayReader(path, header, member, limits) for member, header in streams.items()]


def _header_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> _Header:
    with archive.open(member) as file:
        return _header(file)


def _header(file: IO[bytes]) -> _Header:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return _Header(*read(file), file.tell())


def _check_kind(path: Path, header: _Header) -> None:
    if not header.is_stream:
        raise MediaError(f"{path}: the array is {header}; expected {_EXPECTED}")
