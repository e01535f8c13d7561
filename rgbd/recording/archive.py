"""Zip archives, opened without trust in what they say of themselves."""

import io
import os
import shutil
import struct
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath, PurePosixPath
from tokenize import TokenError

from rgbd.errors import MediaError, NoSpaceError, TooLargeError, is_no_space

ZIP_MAGIC = b"PK\x03\x04"

# Damage to an archive's tables, bytes, end and offsets; encryption or an unknown compression; an array's header.
DAMAGE_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, TokenError),
    *(LookupError, OverflowError, TypeError),
)
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # which ends with the lengths of the name and of the extra field behind it
_MAX_VIDEO_RATIO, _VIDEO_SLACK_BYTES = 4, 1 << 20  # deflate hardly shrinks what a codec has packed
_BOMB_BYTES, _BOMB_RATIO = 256 << 20, 200


@contextmanager
def opened_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Yield an archive to read; turns what its damage raises in the block into a `MediaError`."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except DAMAGE_ERRORS as error:
        if is_no_space(error):
            raise NoSpaceError(
                f"{path}: there is no space to unpack it in the folder for temporary files; make room there, or name "
                "another one (TMPDIR)"
            ) from error
        reason = str(error) or "it breaks off"
        raise MediaError(f"{path}: the archive cannot be read ({reason}); pack it again") from error


def members_of(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the files of an archive but for folders, and for what file systems and archivers leave behind."""
    return [
        member
        for member in archive.infolist()
        if not member.is_dir()
        and not any(is_hidden(PurePosixPath(part)) for part in PurePosixPath(member.filename).parts)
    ]


def members_below_top(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return {place: file} of an archive, places as they are below the one folder that all may lie in."""
    members = {PurePosixPath(member.filename): member for member in members_of(archive)}
    tops = {place.parts[0] for place in members if len(place.parts) > 1}
    is_packed_folder = len(tops) == 1 and all(len(place.parts) > 1 for place in members)
    return {str(PurePosixPath(*place.parts[is_packed_folder:])): member for place, member in members.items()}


def is_hidden(path: PurePath) -> bool:
    """Return whether a file or folder is none of its owner's: .DS_Store, ._frame0.png, __MACOSX."""
    return path.name.startswith((".", "__MACOSX"))


def check_packing(member: zipfile.ZipInfo) -> None:
    """Raise where a few bytes would unpack to very many: what deflate shrinks so far is no recording."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise MediaError(f"{member.filename} is packed in a way that is not read here; pack it with deflate, or not")
    if is_bomb(member.file_size, member.compress_size):
        raise TooLargeError(f"{member.filename} unpacks to {member.file_size >> 20} MiB, far more than a recording")


def is_bomb(num_bytes: int, num_packed: int) -> bool:
    """Return whether so few packed bytes unpack to so many that they are no recording."""
    return num_bytes > _BOMB_BYTES and num_bytes > _BOMB_RATIO * num_packed


class MemberFile:
    """A video of an archive, to be read at any place as often as wanted; in the archive itself where it is not packed.

    One that is packed is unpacked into a file without a name, which is gone with this object.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
        self._name, self._num_bytes = f"{path}, {member.filename}", member.file_size
        check_packing(member)
        if member.file_size > _MAX_VIDEO_RATIO * member.compress_size + _VIDEO_SLACK_BYTES:
            raise TooLargeError(f"{self._name} unpacks to {member.file_size >> 20} MiB, far more than a video does")
        with archive.open(member) as file:  # which checks that it is the file that the table means
            if member.compress_type == zipfile.ZIP_STORED:
                self._keep(os.open(path, os.O_RDONLY))
                head = os.pread(self._descriptor, _LOCAL_HEADER.size, member.header_offset)
                self._start = member.header_offset + _LOCAL_HEADER.size + sum(_LOCAL_HEADER.unpack(head)[1:])
            else:
                descriptor, name = tempfile.mkstemp()
                self._keep(descriptor)
                self._start = 0
                Path(name).unlink()
                with open(descriptor, "wb", closefd=False) as unpacked:
                    shutil.copyfileobj(file, unpacked)

    def _keep(self, descriptor: int) -> None:
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    def __str__(self) -> str:
        return self._name

    def open(self) -> io.RawIOBase:
        """Return its bytes as a file that can seek."""
        return _Window(self, self._descriptor, self._start, self._num_bytes)


class _Window(io.RawIOBase):
    """A part of a file, which reads at places of its own; `owner` keeps the file open."""

    def __init__(self, owner: MemberFile, descriptor: int, start: int, num_bytes: int) -> None:
        self._owner, self._descriptor, self._start, self._num_bytes = owner, descriptor, start, num_bytes
        self._place = 0

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it can seek."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, up to so many."""
        left = max(0, self._num_bytes - self._place)
        data = os.pread(self._descriptor, left if size < 0 else min(size, left), self._start + self._place)
        self._place += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place, and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._num_bytes}[whence]
        self._place = max(0, base + offset)
        return self._place

    def tell(self) -> int:
        """Return the place."""
        return self._place
