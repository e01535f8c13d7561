"""A zip of images, or an .npz -> its frames. Nothing here trusts what it reads."""

import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tokenize import TokenError

import numpy as np

from rgbd.errors import MediaError
from rgbd.recording.images import decode_image
from rgbd.types import Frame
from serve.limits import Limits, TooLargeError
from serve.order import natural_order

_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}
# Damage to an archive's tables, bytes, end and offsets; encryption or an unknown compression; an array's header.
_ARCHIVE_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, TokenError),
    *(LookupError, OverflowError, TypeError),
)
_BOMB_BYTES, _BOMB_RATIO = 256 << 20, 200
_MAX_IMAGE_BYTES = 64 << 20  # a 16-bit PNG of 3840x2160 that does not compress has 16 MiB


def open_archive(path: Path, limits: Limits) -> "ImageReader | ArrayReader":
    """Return the frames of an archive, not unpacked yet; raises `TooLargeError` or `MediaError`."""
    with _opened(path) as archive:
        members = [member for member in archive.infolist() if not _is_hidden(member)]
        limits.check_frames(len(members))
        for member in members:
            _check_packing(member)
        if [PurePosixPath(member.filename).suffix for member in members] == [".npy"]:
            return ArrayReader(path, archive, members[0], limits)
        return ImageReader(path, members, limits)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _ARCHIVE_ERRORS as error:
        reason = str(error) or "it breaks off"
        raise MediaError(f"the archive cannot be read ({reason}); pack it again") from error


def _is_hidden(member: zipfile.ZipInfo) -> bool:
    # Archivers leave folders, .DS_Store and __MACOSX behind.
    parts = PurePosixPath(member.filename).parts
    return member.is_dir() or any(part.startswith((".", "__MACOSX")) for part in parts)


def _check_packing(member: zipfile.ZipInfo) -> None:
    """Raise where a few bytes would unpack to very many: what deflate shrinks so far is no recording."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise MediaError(f"{member.filename} is packed in a way that is not read here; pack it with deflate, or not")
    if member.file_size > _BOMB_BYTES and member.file_size > _BOMB_RATIO * member.compress_size:
        raise TooLargeError(f"{member.filename} unpacks to {member.file_size >> 20} MiB, far more than a recording")


class ImageReader:
    """A zip of images, in the order of their names; it knows no times."""

    fps: float | None = None
    times_s: tuple[float, ...] | None = None

    def __init__(self, path: Path, members: list[zipfile.ZipInfo], limits: Limits) -> None:
        strangers = [m.filename for m in members if PurePosixPath(m.filename).suffix.lower() not in _IMAGE_SUFFIXES]
        if strangers or not members:
            found = f"{strangers[0]!r}" if strangers else "nothing"
            raise MediaError(
                f"the zip archive holds {found}; it must hold the frames of one stream as JPEG or PNG files"
            )
        self._path, self._limits = path, limits
        self._members = sorted(members, key=lambda member: natural_order(member.filename))
        self.num_frames = len(members)

    def read(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Yield the frames of these places."""
        with _opened(self._path) as archive:
            for index in indices:
                yield _read_image(archive, self._members[index], self._limits)


def _read_image(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limits: Limits) -> Frame:
    if member.file_size > _MAX_IMAGE_BYTES:
        raise TooLargeError(f"{member.filename} has {member.file_size >> 20} MiB; one frame may have 64")
    data = archive.read(member)
    limits.check_pixels(*_image_size(data, member.filename))
    return decode_image(data, member.filename)


def _image_size(data: bytes, name: str) -> tuple[int, int]:
    """Return the (width, height) that a PNG or JPEG claims: its pixels may take a thousand times its bytes."""
    if data.startswith(b"\x89PNG") and len(data) >= 24:
        width, height = struct.unpack_from(">II", data, 16)
        return width, height
    position = 2
    while data.startswith(b"\xff\xd8") and position + 9 <= len(data):
        marker, length = struct.unpack_from(">xBH", data, position)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # the start of a frame, and not of a table
            height, width = struct.unpack_from(">HH", data, position + 5)
            return width, height
        position += 1 if marker == 0xFF else 2 + length  # any number of 0xFF may fill the space between segments
    raise MediaError(f"{name}: not a readable JPEG or PNG image; convert it or copy it again")


class ArrayReader:
    """An .npz of one array; it knows no times."""

    fps: float | None = None
    times_s: tuple[float, ...] | None = None

    def __init__(self, path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, limits: Limits) -> None:
        shape, dtype = _array_header(archive, member)
        is_depth, is_rgb = len(shape) == 3 and dtype == np.uint16, len(shape) == 4 and dtype == np.uint8
        if not (is_depth or (is_rgb and shape[3] == 3)) or 0 in shape:
            raise MediaError(
                f"the .npz holds {dtype} {list(shape)}; expected uint8 [frames, height, width, 3] or uint16 "
                "millimetres [frames, height, width]"
            )
        limits.check_frames(shape[0])
        limits.check_pixels(shape[2], shape[1])
        self._path, self._member, self.num_frames = path, member, shape[0]

    def read(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Yield the frames of these places."""
        with _opened(self._path) as archive, archive.open(self._member) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
        yield from (array[index] for index in indices)


def _array_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    return shape, dtype
