"""Zip archives, opened without trust in what they say of themselves."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath, PurePosixPath
from tokenize import TokenError

from rgbd.errors import MediaError, TooLargeError

ZIP_MAGIC = b"PK\x03\x04"

# Damage to an archive's tables, bytes, end and offsets; encryption or an unknown compression; an array's header.
DAMAGE_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, TokenError),
    *(LookupError, OverflowError, TypeError),
)
_BOMB_BYTES, _BOMB_RATIO = 256 << 20, 200


@contextmanager
def opened_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Yield an archive to read; turns what its damage raises in the block into a `MediaError`."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except DAMAGE_ERRORS as error:
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
