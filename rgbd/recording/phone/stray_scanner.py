"""Recordings of Stray Scanner: a folder, or a zip of one, with a video, PNG of depth, and tables of what is known.

Source: the description of the format, and the encoders, in github.com/StrayRobots/scanner.
"""

import itertools
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from rgbd.camera.calibration import Intrinsics, StreamCamera
from rgbd.errors import MediaError, TooLargeError
from rgbd.recording.archive import MemberFile, check_packing, members_below_top, opened_archive
from rgbd.recording.limits import Limits
from rgbd.recording.phone.lens import scaled, share_lens
from rgbd.recording.stills.frames import FolderReader, ZipReader, open_folder
from rgbd.recording.stills.images import read_bytes
from rgbd.recording.streams import StreamReader
from rgbd.recording.videos.video import VideoReader, is_common_video, open_video

_VIDEO, _DEPTH, _ODOMETRY, _MATRIX = "rgb.mp4", "depth", "odometry.csv", "camera_matrix.csv"
_DEPTH_UNIT_MM = 1.0
_LENS = ("fx", "fy", "cx", "cy")  # the columns of newer recordings
_HEAD_BYTES = 64
_MAX_TABLE_BYTES, _MAX_ROWS = 32 << 20, 500_000  # 20 minutes at 60 frames a second are 72,000 rows, 20 MB

Row = dict[str, float]
LensNumbers = tuple[float, float, float, float]
"""fx, fy, cx and cy, in pixels of colour as it is stored."""


def is_stray_folder(folder: Path) -> bool:
    """Return whether a folder is a recording of Stray Scanner."""
    return (folder / _VIDEO).is_file() and (folder / _DEPTH).is_dir()


def is_stray_zip(path: Path) -> bool:
    """Return whether a zip archive is a recording of Stray Scanner, in a folder or not."""
    with opened_archive(path) as archive:
        members = members_below_top(archive)
    return _VIDEO in members and any(name.startswith(f"{_DEPTH}/") for name in members)


def open_stray_folder(folder: Path, limits: Limits) -> list[StreamReader]:
    """Return colour and depth of a folder; raises `MediaError` where one of them cannot be read."""
    with (folder / _VIDEO).open("rb") as file:
        _check_video(file.read(_HEAD_BYTES), str(folder / _VIDEO))
    tables = {}
    for name in (_ODOMETRY, _MATRIX):
        if (folder / name).is_file():
            _check_table((folder / name).stat().st_size, str(folder / name))
            tables[name] = read_bytes(folder / name)
    (depth,) = open_folder(folder / _DEPTH, limits)
    return _joined(str(folder), open_video(folder / _VIDEO, limits), depth, tables)


def open_stray_zip(path: Path, limits: Limits) -> list[StreamReader]:
    """Return colour and depth of a zip archive; raises `MediaError` where one of them cannot be read."""
    with opened_archive(path) as archive:
        members = members_below_top(archive)
        pictures = [member for name, member in members.items() if _is_depth(name)]
        if not pictures:
            raise MediaError(f"{path}: holds no PNG of depth in {_DEPTH}; export the recording again")
        limits.check_frames(len(pictures))
        for member in (*pictures, members[_VIDEO]):
            check_packing(member)
        with archive.open(members[_VIDEO]) as file:
            _check_video(file.read(_HEAD_BYTES), f"{path}, {_VIDEO}")
        tables = {name: _table(archive, members[name]) for name in (_ODOMETRY, _MATRIX) if name in members}
        depth = ZipReader(path, archive, pictures, limits)
        colors = open_video(MemberFile(path, archive, members[_VIDEO]), limits)
    return _joined(str(path), colors, depth, tables)


def _is_depth(name: str) -> bool:
    place = PurePosixPath(name)
    return str(place.parent) == _DEPTH and place.suffix.lower() == ".png"


def _check_video(head: bytes, name: str) -> None:
    """Raise for what is no video that is read here: FFmpeg also knows files that name others to read."""
    if not is_common_video(head):
        raise MediaError(f"{name}: is no mp4 video; copy it again")


def _check_table(num_bytes: int, name: str) -> None:
    if num_bytes > _MAX_TABLE_BYTES:
        raise TooLargeError(f"{name}: has {num_bytes >> 20} MiB, far more than a recording's")


def _table(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    check_packing(member)
    _check_table(member.file_size, member.filename)
    return archive.read(member)


def _joined(
    name: str, colors: list[VideoReader], depth: FolderReader | ZipReader, tables: Mapping[str, bytes]
) -> list[StreamReader]:
    """Return the streams of one recording, with what its tables say of them."""
    if len(colors) != 1:
        raise MediaError(f"{colors[0].name}: has {len(colors)} tracks of video, and Stray Scanner writes one; check it")
    color = colors[0]
    if not depth.is_depth:
        raise MediaError(f"{depth.name}: holds 8-bit images, and depth has 16 bits; export the recording again")
    color.name = depth.name = name  # the same: of one recording, with one clock and one phone
    depth.unit_mm = _DEPTH_UNIT_MM
    rows = _odometry(tables.get(_ODOMETRY, b""))
    _set_times(color, depth, rows)
    _set_cameras(color, depth, _lens(rows, tables.get(_MATRIX, b"")))
    return [color, depth]


def _odometry(table: bytes) -> dict[int, Row]:
    """Return {frame: its row} of a table with a line of names; the oldest ones have none, and say nothing here."""
    lines = table.decode("utf-8", "replace").splitlines()
    names = [name.strip() for name in lines[0].split(",")] if lines else []
    rows: dict[int, Row] = {}
    for line in itertools.islice(lines, 1, _MAX_ROWS):
        row = {name: _number(value) for name, value in zip(names, line.split(","), strict=False)}
        frame = row.get("frame", math.nan)
        if math.isfinite(frame):
            rows[int(frame)] = row
    return rows


def _number(text: str) -> float:
    """Return a number of a table; NaN for what is none, such as the empty place of what a phone does not know."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _set_times(color: VideoReader, depth: FolderReader | ZipReader, rows: Mapping[int, Row]) -> None:
    """Say when frames were taken: by the table, as far as it fits them; depth's are those of colour's frames."""
    frames = sorted(rows)
    stamps = np.array([rows[frame].get("timestamp", math.nan) for frame in frames])
    is_clock = len(stamps) > 0 and bool(np.isfinite(stamps).all() and (np.diff(stamps) > 0).all())
    times_s = dict(zip(frames, (stamps - stamps[0]).tolist(), strict=True)) if is_clock else {}
    if len(times_s) == color.num_frames:
        color.times_s = tuple(times_s.values())
    elif times_s:
        color.notes = (
            f"has {color.num_frames} frames, and {_ODOMETRY} {len(times_s)}; the video's own times are used",
        )
    numbers = [_frame_number(depth, index) for index in range(depth.num_frames)]
    if not times_s and color.times_s is not None:
        times_s = dict(enumerate(color.times_s))
    if all(number in times_s for number in numbers):
        depth.times_s = tuple(times_s[number] for number in numbers)
    else:
        depth.fps = color.fps
        depth.notes = (f"{_ODOMETRY} does not say when all of its frames were taken; colour's rate is used",)


def _frame_number(depth: FolderReader | ZipReader, index: int) -> int:
    stem = PurePosixPath(depth.frame_name(index)).stem
    return int(stem) if stem.isdecimal() else -1


def _lens(rows: Mapping[int, Row], matrix: bytes) -> LensNumbers | None:
    """Return the numbers of colour's lens: the median of all frames; in older recordings those of the last."""
    every = np.array([[row.get(name, math.nan) for name in _LENS] for row in rows.values()])
    if len(every) and np.isfinite(every).all():
        fx, fy, cx, cy = np.median(every, axis=0).tolist()
        return fx, fy, cx, cy
    lines = matrix.decode("utf-8", "replace").splitlines()
    numbers = [[_number(value) for value in line.split(",")] for line in lines[:3]]
    if [len(line) for line in numbers] != [3, 3, 3] or not all(map(math.isfinite, itertools.chain(*numbers))):
        return None
    (fx, _, cx), (_, fy, cy), _ = numbers
    return fx, fy, cx, cy


def _set_cameras(color: StreamReader, depth: StreamReader, numbers: LensNumbers | None) -> None:
    """Say what the lens is; colour lies as depth does, unless it is turned to be shown."""
    lens = None if numbers is None else Intrinsics(color.size, *numbers)
    if lens is not None and not lens.can_be:
        lens = None
    if scaled(Intrinsics(color.size, 1, 1, 0, 0), depth.size) is not None:
        share_lens([color, depth], lens, _VIDEO)
        return
    color.notes = (*color.notes, f"is {color.size[0]}x{color.size[1]} as it is shown, and depth lies otherwise")
    if lens is not None:
        stored = Intrinsics(color.size[::-1], lens.fx, lens.fy, lens.cx, lens.cy)
        depth.camera = StreamCamera(scaled(stored, depth.size))
