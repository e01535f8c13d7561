"""An uploaded file -> its frames. Runs in decoder processes: nothing here trusts what it reads."""

import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tokenize import TokenError
from typing import IO

import numpy as np

from preprocess.errors import MediaError
from preprocess.frames import Frame, decode_image, read_video, video_tracks

_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}
# Damage to an archive's tables, bytes, end and offsets; encryption or an unknown compression; an array's header.
_ARCHIVE_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, TokenError)
_BOMB_BYTES, _BOMB_RATIO = 256 << 20, 200
_MAX_IMAGE_BYTES = 64 << 20  # a 16-bit PNG of 3840x2160 that does not compress has 16 MiB


class UnknownContainerError(MediaError):
    """An upload is none of the containers that the service reads."""


class TooLargeError(MediaError):
    """An upload has more frames, or larger ones, than the service takes."""


@dataclass(frozen=True)
class Limits:
    """What one stream may hold."""

    max_frames: int
    max_pixels: int


@dataclass(frozen=True)
class Decoded:
    """The frames asked for, how many the file has, and its frame rate where it knows one."""

    frames: list[Frame]
    num_frames: int
    fps: float | None


Choose = Callable[[int, float | None], Sequence[int]]
"""(number of frames, frames a second) -> the frames to read; an index may come more than once."""


def read_stream(path: Path, *, track: int, choose: Choose, limits: Limits) -> Decoded:
    """Return the chosen frames of a video (its video track number `track`), a zip of images or an .npz array.

    What the file is, is decided by its first bytes. Raises `UnknownContainerError`, `TooLargeError`, or `MediaError`.
    """
    with path.open("rb") as file:
        head = file.read(12)
    if head.startswith(b"PK\x03\x04"):
        return _read_archive(path, choose, limits)
    is_video = head.startswith((b"\x1aE\xdf\xa3", b"RIFF")) or head[4:8] == b"ftyp"
    if not is_video:
        raise UnknownContainerError("is no mp4, mkv, webm or avi video, no zip of JPEG or PNG frames, and no .npz")
    return _read_video(path, track, choose, limits)


def _read_video(path: Path, track: int, choose: Choose, limits: Limits) -> Decoded:
    tracks = video_tracks(path)
    if track >= len(tracks):
        raise MediaError(f"has {len(tracks)} video tracks; send the two streams as two files, or as two tracks of one")
    video = tracks[track]
    _check_pixels(video.width, video.height, limits)
    _check_frames(video.num_packets, limits)
    num_frames = video.num_packets
    while True:
        wanted = choose(num_frames, video.fps)
        needed, kept, decoded = set(wanted), dict[int, Frame](), 0
        for index, frame in enumerate(read_video(path, track)):
            decoded = index + 1
            _check_frames(decoded, limits)
            if index in needed:
                kept[index] = frame
        # Some packets carry no frame of their own, so the count is true only now; then the choice is made again.
        if decoded == num_frames:
            return Decoded([kept[index] for index in wanted], num_frames, video.fps)
        num_frames = decoded


def _read_archive(path: Path, choose: Choose, limits: Limits) -> Decoded:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not _is_hidden(member)]
            if [PurePosixPath(member.filename).suffix for member in members] == [".npy"]:
                _check_packing(members[0])
                return _read_array(archive, members[0], choose, limits)
            return _read_images(archive, members, choose, limits)
    except _ARCHIVE_ERRORS as error:
        reason = str(error) or "it breaks off"
        raise MediaError(f"the archive cannot be read ({reason}); pack it again") from error


def _is_hidden(member: zipfile.ZipInfo) -> bool:
    # Archivers leave folders, .DS_Store and __MACOSX behind.
    parts = PurePosixPath(member.filename).parts
    return member.is_dir() or any(part.startswith((".", "__MACOSX")) for part in parts)


def _read_images(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], choose: Choose, limits: Limits) -> Decoded:
    strangers = [m.filename for m in members if PurePosixPath(m.filename).suffix.lower() not in _IMAGE_SUFFIXES]
    if strangers or not members:
        found = f"{strangers[0]!r}" if strangers else "nothing"
        raise MediaError(f"the zip archive holds {found}; it must hold the frames of one stream as JPEG or PNG files")
    _check_frames(len(members), limits)
    for member in members:
        _check_packing(member)
    ordered = sorted(members, key=lambda member: _natural_order(member.filename))
    wanted = choose(len(ordered), None)
    frames = {index: _read_image(archive, ordered[index], limits) for index in set(wanted)}
    return Decoded([frames[index] for index in wanted], len(ordered), None)


def _natural_order(name: str) -> list[tuple[int, str]]:
    """Return a key that puts frame10 behind frame9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _read_image(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limits: Limits) -> Frame:
    if member.file_size > _MAX_IMAGE_BYTES:
        raise TooLargeError(f"{member.filename} has {member.file_size >> 20} MiB; one frame may have 64")
    data = archive.read(member)
    _check_pixels(*_image_size(data, member.filename), limits)
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


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, choose: Choose, limits: Limits) -> Decoded:
    with archive.open(member) as file:
        shape, dtype = _array_header(file)
    is_depth, is_rgb = len(shape) == 3 and dtype == np.uint16, len(shape) == 4 and dtype == np.uint8
    if not (is_depth or (is_rgb and shape[3] == 3)) or 0 in shape:
        raise MediaError(
            f"the .npz holds {dtype} {list(shape)}; expected uint8 [frames, height, width, 3] or uint16 millimetres "
            "[frames, height, width]"
        )
    _check_frames(shape[0], limits)
    _check_pixels(shape[2], shape[1], limits)
    with archive.open(member) as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
    wanted = choose(shape[0], None)
    return Decoded([array[index] for index in wanted], shape[0], None)


def _array_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _check_packing(member: zipfile.ZipInfo) -> None:
    """Raise where a few bytes would unpack to very many: what deflate shrinks so far is no recording."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise MediaError(f"{member.filename} is packed in a way that is not read here; pack it with deflate, or not")
    if member.file_size > _BOMB_BYTES and member.file_size > _BOMB_RATIO * member.compress_size:
        raise TooLargeError(f"{member.filename} unpacks to {member.file_size >> 20} MiB, far more than a recording")


def _check_frames(num_frames: int, limits: Limits) -> None:
    if num_frames > limits.max_frames:
        raise TooLargeError(f"has more than {limits.max_frames} frames; cut out the motion, or set max_frames")


def _check_pixels(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_pixels:
        raise TooLargeError(
            f"has frames of {width}x{height}; the service takes {limits.max_pixels} pixels; scale them down"
        )
