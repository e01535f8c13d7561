"""Recordings as images, one a frame, in a folder or in a zip; they know no times."""

import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from rgbd.errors import MediaError, TooLargeError
from rgbd.recording.archive import check_packing, is_hidden, members_of, opened_archive
from rgbd.recording.limits import NO_LIMITS, Limits
from rgbd.recording.stills.image_files import IMAGE_FILES, IMAGE_SUFFIXES, ImageFrames
from rgbd.recording.stills.images import read_bytes
from rgbd.recording.stills.numbering import check_one_series, listed_folders, missing_frames, natural_order
from rgbd.recording.streams import StreamReader
from rgbd.types import Frame, Size

_MAX_IMAGE_BYTES = 64 << 20  # a 16-bit PNG of 3840x2160 that does not compress has 16 MiB


class FolderReader(StreamReader):
    """Image files, at least one, in this order."""

    def __init__(self, paths: Sequence[Path], limits: Limits = NO_LIMITS) -> None:
        limits.check_frames(len(paths))
        self._paths, self._limits = paths, limits
        self.name, self.num_frames = str(paths[0].parent), len(paths)
        self._frames = ImageFrames(read_bytes(paths[0]), str(paths[0]), limits)
        self.size, self.is_depth, self.unit_mm = self._frames.size, self._frames.is_depth, self._frames.unit_mm
        self._missing = missing_frames([path.name for path in paths])

    def read(self, indices: Sequence[int] | None = None) -> Iterator[Frame]:
        """Yield the frames at these places, or all of them."""
        self._limits.check_damage(self.name, self._missing)
        for index in range(self.num_frames) if indices is None else indices:
            path = self._paths[index]
            yield self._frames.frame(read_bytes(path), str(path))

    @property
    def damage(self) -> tuple[str, ...]:
        """Which frames are missing, and what of depth was too far to be taken."""
        return (*self._missing, *self._frames.too_far)

    def frame_name(self, index: int) -> str:
        """Return the file of a frame."""
        return str(self._paths[index])


def open_folder(path: Path, limits: Limits) -> list[FolderReader]:
    """Return the image files of a folder as one stream; raises `MediaError` where there is none."""
    paths = [file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(file)]
    if not paths:
        folders = {
            file.parent.name
            for file in path.glob("*/*")
            if file.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(file)
        }
        found = f", but folders of them, {listed_folders(folders)}; give one" if folders else "; copy the frames again"
        raise MediaError(f"{path}: holds no {IMAGE_FILES} files{found}")
    check_one_series([file.name for file in paths], str(path))
    return [FolderReader(sorted(paths, key=lambda file: natural_order(file.name)), limits)]


class FrameDecoder(Protocol):
    """Makes frames of one stream's files; see `ImageFrames`."""

    size: Size
    is_depth: bool
    unit_mm: float | None

    def frame(self, data: bytes, name: str) -> Frame:
        """Return what a file holds; raises `MediaError` or `TooLargeError`, naming `name`."""

    @property
    def too_far(self) -> tuple[str, ...]:
        """What of the depth read so far lies too far to be taken, in words."""


FrameDecoderMaker = Callable[[bytes, str, Limits], FrameDecoder]
"""Makes one of a stream's first file, the file's name, and the limits."""


class ZipReader(StreamReader):
    """Files of a zip archive, at least one, in the order of their names: images, unless `decoder` reads others."""

    def __init__(
        self,
        path: Path,
        archive: zipfile.ZipFile,
        members: list[zipfile.ZipInfo],
        limits: Limits,
        decoder: FrameDecoderMaker = ImageFrames,
    ) -> None:
        self._path, self._limits = path, limits
        self._members = sorted(members, key=lambda member: natural_order(member.filename))
        self.name, self.num_frames = str(path), len(members)
        self._missing = missing_frames([member.filename for member in self._members])
        first = self._members[0]
        self._frames = decoder(_read_member(archive, first), first.filename, limits)
        self.size, self.is_depth, self.unit_mm = self._frames.size, self._frames.is_depth, self._frames.unit_mm

    def read(self, indices: Sequence[int] | None = None) -> Iterator[Frame]:
        """Yield the frames at these places, or all of them."""
        self._limits.check_damage(self.name, self._missing)
        with opened_archive(self._path) as archive:
            for index in range(self.num_frames) if indices is None else indices:
                member = self._members[index]
                yield self._frames.frame(_read_member(archive, member), member.filename)

    @property
    def damage(self) -> tuple[str, ...]:
        """Which frames are missing, and what of depth was too far to be taken."""
        return (*self._missing, *self._frames.too_far)

    def frame_name(self, index: int) -> str:
        """Return the archive and the file of a frame."""
        return f"{self._path}, {self._members[index].filename}"


def open_zip(path: Path, limits: Limits) -> list[ZipReader]:
    """Return the images of a zip archive as one stream; raises `MediaError` where it holds anything else."""
    with opened_archive(path) as archive:
        members = members_of(archive)
        limits.check_frames(len(members))
        for member in members:
            check_packing(member)
        others = [m.filename for m in members if PurePosixPath(m.filename).suffix.lower() not in IMAGE_SUFFIXES]
        if others or not members:
            found = f"{others[0]!r}" if others else "nothing"
            raise MediaError(
                f"{path}: the zip archive holds {found}; it must hold the frames of one stream as {IMAGE_FILES} files"
            )
        check_one_series([member.filename for member in members], str(path))
        return [ZipReader(path, archive, members, limits)]


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.file_size > _MAX_IMAGE_BYTES:
        raise TooLargeError(f"{member.filename} has {member.file_size >> 20} MiB; one frame may have 64")
    return archive.read(member)
