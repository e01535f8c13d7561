"""Recordings as one array in an .npz; they know no times."""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from rgbd.errors import MediaError
from rgbd.recording.archive import check_packing, members_of, opened_archive
from rgbd.recording.limits import Limits
from rgbd.types import Frame


class ArrayReader:
    """An .npz of one array, uint8 [frames, height, width, 3] or uint16 [frames, height, width]; a `StreamReader`."""

    fps: float | None = None
    times_s: tuple[float, ...] | None = None
    damage: tuple[str, ...] = ()

    def __init__(self, path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, limits: Limits) -> None:
        shape, dtype = _array_header(archive, member)
        is_depth, is_rgb = len(shape) == 3 and dtype == np.uint16, len(shape) == 4 and dtype == np.uint8
        if not (is_depth or (is_rgb and shape[3] == 3)) or 0 in shape:
            raise MediaError(
                f"{path}: the .npz holds {dtype} {list(shape)}; expected uint8 [frames, height, width, 3] or uint16 "
                "millimetres [frames, height, width]"
            )
        limits.check_frames(shape[0])
        limits.check_pixels(shape[2], shape[1])
        self._path, self._member = path, member
        self.name, self.num_frames, self.size, self.is_depth = str(path), shape[0], (shape[2], shape[1]), is_depth

    def read(self, indices: Sequence[int] | None = None) -> Iterator[Frame]:
        """Yield the frames at these places, or all of them."""
        with opened_archive(self._path) as archive, archive.open(self._member) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
        yield from (array[index] for index in (range(self.num_frames) if indices is None else indices))

    def frame_name(self, index: int) -> str:
        """Return what messages call one frame."""
        return f"{self._path}, frame {index + 1}"


def is_npz(path: Path) -> bool:
    """Return whether a zip archive holds one array, and nothing else."""
    with opened_archive(path) as archive:
        return [PurePosixPath(member.filename).suffix for member in members_of(archive)] == [".npy"]


def open_npz(path: Path, limits: Limits) -> list[ArrayReader]:
    """Return the array of an .npz as one stream; raises `MediaError` where it is of another shape or kind."""
    with opened_archive(path) as archive:
        (member,) = members_of(archive)
        check_packing(member)
        return [ArrayReader(path, archive, member, limits)]


def _array_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    return shape, dtype
