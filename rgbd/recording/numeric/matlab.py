"""Recordings as an array in a MATLAB file of version 5 (`save -v6` or `-v7`); they know no times.

What a file says of itself is checked before scipy reads it: variables of other kinds than numbers are never looked
into, and nothing is unpacked that is larger than it may be. Source: MATLAB's "MAT-File Format", chapter 1.
"""

import math
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from rgbd.errors import MediaError, TooLargeError, reason_of
from rgbd.recording.archive import is_bomb
from rgbd.recording.extras import import_extra
from rgbd.recording.limits import Limits
from rgbd.recording.streams import StreamReader
from rgbd.types import Frame

MATLAB_MAGIC = b"MATLAB "

_HEADER_BYTES = 128
_VERSIONS = {0x0100: "5", 0x0200: "7.3"}
_HEAD_BYTES = 1024  # of a variable, packed or not: more than its kind, sizes and name can take up
_MAX_DIMENSIONS, _MAX_NAME = 32, 63  # of what MATLAB writes

_MATRIX, _COMPRESSED = 14, 15
_NUMERIC_KINDS = ("double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
_FIRST_NUMERIC, _LAST_NUMERIC = 6, 15
_KINDS = {
    **{1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 16: "function", 17: "object"},
    **dict(enumerate(_NUMERIC_KINDS, start=_FIRST_NUMERIC)),
}
_IS_COMPLEX = 0x0800
# What numbers are stored as, which may be smaller than their kind: MATLAB packs whole doubles into few bytes.
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}


class _DamagedError(Exception):
    """A variable's head does not hold together."""


@dataclass(frozen=True)
class _Variable:
    """What a file says of one variable: its name, its kind in MATLAB, its sizes, and what numbers are stored as."""

    name: str
    kind: str
    shape: tuple[int, ...]
    stored: np.dtype[Any] | None

    @property
    def num_bytes(self) -> int:
        return math.prod(self.shape) * (self.stored.itemsize if self.stored else 0)

    @property
    def is_depth(self) -> bool:
        """Whether it is whole numbers [height, width, frames]."""
        is_whole = self.stored is not None and self.stored.kind in "iu"
        return is_whole and self.kind not in ("int8", "uint8") and len(self.shape) == 3 and 0 not in self.shape

    @property
    def is_color(self) -> bool:
        """Whether it is uint8 [height, width, 3, frames]."""
        is_bytes = self.kind == "uint8" and self.stored == np.uint8
        return is_bytes and len(self.shape) == 4 and self.shape[2] == 3 and 0 not in self.shape

    def __str__(self) -> str:
        return f"{self.name} ({self.kind} {list(self.shape)})"


class MatlabReader(StreamReader):
    """One array of a MATLAB file, uint8 [H, W, 3, T] or 16-bit [H, W, T]."""

    def __init__(self, path: Path, variable: _Variable, limits: Limits) -> None:
        height, width, *_, num_frames = variable.shape
        limits.check_frames(num_frames)
        limits.check_pixels(width, height)
        self._path, self._variable, self.track = path, variable, variable.name
        self.name, self.num_frames, self.size, self.is_depth = str(path), num_frames, (width, height), variable.is_depth

    def read(self, indices: Sequence[int] | None = None) -> Iterator[Frame]:
        """Yield the frames at these places, or all of them."""
        array = _load(self._path, self._variable)
        if array.min() < 0 or array.max() > np.iinfo(np.uint16).max:
            raise MediaError(
                f"{self._path}: {self._variable.name} holds values from {array.min()} to {array.max()}; depth is from "
                "0 to 65535: save it as uint16"
            )
        for index in range(self.num_frames) if indices is None else indices:
            frame = np.ascontiguousarray(array[..., index])
            yield frame.astype(np.uint16) if self.is_depth else frame.astype(np.uint8)


def open_matlab(path: Path, limits: Limits) -> list[MatlabReader]:
    """Return the arrays of a MATLAB file that are colour or depth as streams; raises `MediaError` where it has none."""
    _scipy_io(path)  # tells at once where it is missing
    variables = _variables(path)
    streams = [variable for variable in variables if variable.is_depth or variable.is_color]
    if not streams:
        raise MediaError(
            f"{path}: holds {', '.join(map(str, variables)) or 'nothing'}; expected an array of 16-bit depth [height, "
            "width, frames] or of uint8 colour [height, width, 3, frames]"
        )
    return [MatlabReader(path, variable, limits) for variable in streams]


def read_matlab_array(path: Path, name: str) -> NDArray[Any]:
    """Return the numbers of a variable; raises `MediaError` where there is no such array, or the file is damaged."""
    _scipy_io(path)
    variables = _variables(path)
    named = [variable for variable in variables if variable.name == name and variable.stored is not None]
    if len(named) != 1:
        raise MediaError(f"{path}: holds {', '.join(map(str, variables)) or 'nothing'}; expected one array {name!r}")
    return _load(path, named[0])


def _load(path: Path, variable: _Variable) -> NDArray[Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what cannot be read, it gives something else
            found = _scipy_io(path).loadmat(path, appendmat=False, variable_names=[variable.name])
        array = np.asarray(found[variable.name])
    except Exception as error:  # scipy raises what it meets: damage takes any form
        raise MediaError(f"{path}: {variable.name} cannot be read ({reason_of(error)}); copy the file again") from error
    if array.shape != variable.shape or array.dtype.kind not in "iuf":
        raise MediaError(f"{path}: {variable.name} is not what the file says of it; copy the file again")
    return array


def _scipy_io(path: Path) -> Any:
    return import_extra("scipy.io", "matlab", name=str(path), purpose="reading MATLAB files")


def _variables(path: Path) -> list[_Variable]:
    """Return what a file says of its variables, which have been checked to be no larger than the file can hold."""
    try:
        with path.open("rb") as file:
            order = _byte_order(path, file.read(_HEADER_BYTES))
            size = path.stat().st_size
            variables = list(_heads(file, size, order))
    except (OSError, zlib.error, struct.error, UnicodeDecodeError, _DamagedError) as error:
        reason = str(error) or reason_of(error)
        raise MediaError(f"{path}: the MATLAB file is damaged ({reason}); copy it again") from error
    for variable in variables:
        if is_bomb(variable.num_bytes, size):
            raise TooLargeError(
                f"{path}: {variable} unpacks to {variable.num_bytes >> 20} MiB, far more than it can be"
            )
    return variables


def _byte_order(path: Path, header: bytes) -> Literal["<", ">"]:
    orders: dict[bytes, Literal["<", ">"]] = {b"IM": "<", b"MI": ">"}
    order = orders.get(header[126:128])
    version = _VERSIONS.get(struct.unpack(f"{order}H", header[124:126])[0]) if order else None
    if order is None or version is None:
        raise _DamagedError("it has no header of version 5")
    if version != "5":
        raise MediaError(
            f"{path}: is a MATLAB file of version {version}, which is not read here; in MATLAB, load it and "
            "save(file, name, '-v7')"
        )
    return order


def _heads(file: BinaryIO, size: int, order: str) -> Iterator[_Variable]:
    """Yield what the file says of each variable, without unpacking more than that."""
    place = _HEADER_BYTES
    while place < size:
        file.seek(place)
        kind, num_packed = struct.unpack(f"{order}II", file.read(8))
        if place + 8 + num_packed > size:
            raise _DamagedError(f"it ends {place + 8 + num_packed - size} bytes too early")
        head, num_bytes = file.read(min(num_packed, _HEAD_BYTES)), num_packed
        if kind == _COMPRESSED:
            head = zlib.decompressobj().decompress(head, _HEAD_BYTES)
            kind, num_bytes = struct.unpack(f"{order}II", head[:8])
            head = head[8:]
        if kind != _MATRIX:
            raise _DamagedError(f"it holds an element of type {kind} where a variable belongs")
        yield _Head(head, num_bytes, order).variable()
        place += 8 + num_packed


class _Head:
    """The first bytes of a variable of `num_bytes`, taken apart."""

    def __init__(self, head: bytes, num_bytes: int, order: str) -> None:
        self._head, self._num_bytes, self._order = head, num_bytes, order
        self._place = 0

    def variable(self) -> _Variable:
        flags, shape = self._numbers(2), self._numbers(_MAX_DIMENSIONS)
        if len(flags) != 2 or len(shape) < 2 or min(shape) < 0:
            raise _DamagedError(f"a variable has the sizes {list(shape)}")
        kind, is_complex = flags[0] & 0xFF, bool(flags[0] & _IS_COMPLEX)
        name = self._element(_MAX_NAME).decode("ascii")
        if is_complex or not _FIRST_NUMERIC <= kind <= _LAST_NUMERIC:
            return _Variable(name, "complex" if is_complex else _KINDS.get(kind, "unknown"), shape, None)
        stored, num_bytes, start = self._tag()
        variable = _Variable(name, _KINDS[kind], shape, np.dtype(_STORED[stored]) if stored in _STORED else None)
        if variable.stored is None or num_bytes != variable.num_bytes or start + num_bytes > self._num_bytes:
            raise _DamagedError(f"{variable} has {num_bytes} bytes")
        return variable

    def _tag(self) -> tuple[int, int, int]:
        """Return the type of the next element, its bytes, and where they start; small ones lie in their tag."""
        if self._place + 8 > len(self._head):
            raise _DamagedError("a variable breaks off")
        kind, num_bytes = struct.unpack_from(f"{self._order}II", self._head, self._place)
        if kind >> 16:
            return kind & 0xFFFF, kind >> 16, self._place + 4
        return kind, num_bytes, self._place + 8

    def _element(self, max_bytes: int) -> bytes:
        _, num_bytes, start = self._tag()
        if num_bytes > max_bytes or start + num_bytes > len(self._head):
            raise _DamagedError(f"a variable's head has an element of {num_bytes} bytes")
        self._place = self._place + 8 if start == self._place + 4 else start + -(-num_bytes // 8) * 8
        return self._head[start : start + num_bytes]

    def _numbers(self, max_count: int) -> tuple[int, ...]:
        data = self._element(4 * max_count)
        return struct.unpack(f"{self._order}{len(data) // 4}i", data[: len(data) // 4 * 4])
