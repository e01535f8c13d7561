"""The files that recordings come in: the formats that are read here, each with its reader."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from rgbd.errors import MediaError, UnknownContainerError, reason_of
from rgbd.recording.archive import ZIP_MAGIC
from rgbd.recording.foreign import foreign_content, foreign_name
from rgbd.recording.limits import NO_LIMITS, Limits
from rgbd.recording.numeric.arrays import NPY_MAGIC, is_npz, open_npy, open_npz
from rgbd.recording.numeric.matlab import MATLAB_MAGIC, open_matlab
from rgbd.recording.numeric.msr_depth import is_msr_depth, open_msr_depth
from rgbd.recording.phone.hue_video import is_hue_video, open_hue_video
from rgbd.recording.phone.record3d import is_record3d, open_record3d
from rgbd.recording.phone.stray_scanner import is_stray_folder, is_stray_zip, open_stray_folder, open_stray_zip
from rgbd.recording.ros.reader import bag_of_folder, is_ros, open_ros
from rgbd.recording.stills.frames import open_folder, open_zip
from rgbd.recording.stills.image_files import IMAGE_FILES
from rgbd.recording.stills.tiff import is_tiff, open_tiff
from rgbd.recording.streams import StreamReader
from rgbd.recording.tracks import choose_tracks
from rgbd.recording.videos.lerobot import is_lerobot_depth, open_lerobot_depth
from rgbd.recording.videos.video import is_common_video, open_video
from rgbd.types import Stream


class Format(NamedTuple):
    """One format: its name in messages, whether a file with these first bytes is of it, and its reader.

    `open` returns the streams of a file in its order. It raises `MediaError` for a file that is damaged. is_original:
    whether only cameras and data sets write such files.
    """

    name: str
    recognises: Callable[[Path, bytes], bool]
    open: Callable[[Path, Limits], Sequence[StreamReader]]
    is_original: bool = False


# The first that recognises a file opens it.
FORMATS = (
    Format(".npy", lambda _, head: head.startswith(NPY_MAGIC), open_npy),
    Format(".npz", lambda path, head: head.startswith(ZIP_MAGIC) and is_npz(path), open_npz),
    Format("Record3D .r3d", lambda path, head: head.startswith(ZIP_MAGIC) and is_record3d(path), open_record3d, True),
    Format(
        "zip of Stray Scanner",
        lambda path, head: head.startswith(ZIP_MAGIC) and is_stray_zip(path),
        open_stray_zip,
        True,
    ),
    Format("MSR-Action3D .bin", lambda _, head: is_msr_depth(head), open_msr_depth, True),
    Format("MATLAB .mat of version 5", lambda _, head: head.startswith(MATLAB_MAGIC), open_matlab, True),
    Format("ROS .bag, .mcap or .db3", lambda _, head: is_ros(head), open_ros, True),
    Format("TIFF of pages", lambda _, head: is_tiff(head), open_tiff),
    Format(f"zip of {IMAGE_FILES} frames", lambda _, head: head.startswith(ZIP_MAGIC), open_zip),
    Format(
        "depth video of LeRobot",
        lambda path, head: is_common_video(head) and is_lerobot_depth(path),
        open_lerobot_depth,
        True,
    ),
    Format(
        "RGBD video of Record3D", lambda path, head: is_common_video(head) and is_hue_video(path), open_hue_video, True
    ),
    Format("mp4, mkv, webm or avi video", lambda _, head: is_common_video(head), open_video),
)
_HEAD_BYTES = 64

FILE_FORMATS = "; ".join(format_.name for format_ in reversed(FORMATS))
"""The files that can be opened, for messages and help texts."""


def open_streams(path: Path, limits: Limits = NO_LIMITS) -> Sequence[StreamReader]:
    """Return the streams of a recording's file or folder, not decoded yet: a video's tracks, one of anything else.

    What a file is, is decided by its first bytes. Raises `UnknownContainerError`, `TooLargeError`, or `MediaError`.
    """
    if _is_folder(path):
        if is_stray_folder(path):
            return open_stray_folder(path, limits)
        bag = bag_of_folder(path)
        return open_folder(path, limits) if bag is None else open_streams(bag, limits)
    head = _head(path)
    if (foreign := foreign_content(head)) is not None:
        raise UnknownContainerError(f"{path}: {foreign}")
    for format_ in FORMATS:
        if format_.recognises(path, head):
            return format_.open(path, limits)
    if (foreign := foreign_name(path)) is not None:  # what they begin with is not known, or they were cut
        raise UnknownContainerError(f"{path}: {foreign}")
    if limits.any_container:
        return open_video(path, limits)
    *names, last = (format_.name for format_ in reversed(FORMATS))
    raise UnknownContainerError(f"{path}: is no {', no '.join(names)}, and no {last}")


def is_original(path: Path) -> bool:
    """Return whether only cameras and data sets write such a file or folder: what it holds was not prepared before."""
    if _is_folder(path):
        return is_stray_folder(path) or bag_of_folder(path) is not None
    head = _head(path)
    return next((format_.is_original for format_ in FORMATS if format_.recognises(path, head)), False)


def open_stream(path: Path, stream: Stream, limits: Limits = NO_LIMITS, track: str | None = None) -> StreamReader:
    """Return the stream of a file of one's own that is meant, by the name of its track or its kind.

    8-bit images, if need be, are depth. Raises `MediaError` where the file holds nothing but depth, and colour is
    meant, or several of the kind.
    """
    names: dict[Stream, str] = {} if track is None else {stream: track}
    return choose_tracks(open_streams(path, limits), [stream], names)[stream]


def open_files(
    files: Mapping[Stream, Path], limits: Limits = NO_LIMITS, tracks: Mapping[Stream, str] = MappingProxyType({})
) -> dict[Stream, StreamReader]:
    """Return the streams of the files that are given for them; of one that is given for both, those that it has.

    tracks: the names of those that are meant. Raises as `open_stream`.
    """
    if len(files) == 2 and len(set(files.values())) == 1:
        return choose_tracks(open_streams(files["rgb"], limits), list(files), tracks)
    return {stream: open_stream(path, stream, limits, tracks.get(stream)) for stream, path in files.items()}


def _is_folder(path: Path) -> bool:
    with _named_refusal(path):
        return path.is_dir()


def _head(path: Path) -> bytes:
    with _named_refusal(path), path.open("rb") as file:
        return file.read(_HEAD_BYTES)


@contextmanager
def _named_refusal(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into a `MediaError`; names that no file can have are a `ValueError`."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise MediaError(f"{path}: cannot be read ({reason_of(error)}); check the path") from error
