"""An uploaded file -> its frames. Runs in decoder processes: nothing here trusts what it reads."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from preprocess.errors import MediaError
from preprocess.frames import Frame, decode_video, to_frame, video_tracks
from serve.archives import open_archive
from serve.limits import Limits, UnknownContainerError


class StreamReader(Protocol):
    """One stream of an upload."""

    num_frames: int
    fps: float | None
    times_s: tuple[float, ...] | None
    """Of each frame, ascending; None where the container does not know them."""

    def read(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Yield the frames of these places, which ascend and differ. Raises `MediaError`, or `MiscountedError`."""


class MiscountedError(Exception):
    """A video has another number of frames than it promises. It is counted now: choose, and read, again."""


def open_stream(path: Path, track: int, limits: Limits) -> StreamReader:
    """Return a video (its video track number `track`), a zip of images or an .npz array, not decoded yet.

    What the file is, is decided by its first bytes. Raises `UnknownContainerError`, `TooLargeError`, or `MediaError`.
    """
    with path.open("rb") as file:
        head = file.read(12)
    if head.startswith(b"PK\x03\x04"):
        return open_archive(path, limits)
    is_video = head.startswith((b"\x1aE\xdf\xa3", b"RIFF")) or head[4:8] == b"ftyp"
    if not is_video:
        raise UnknownContainerError("is no mp4, mkv, webm or avi video, no zip of JPEG or PNG frames, and no .npz")
    return _VideoReader(path, track, limits)


class _VideoReader:
    def __init__(self, path: Path, track: int, limits: Limits) -> None:
        self._path, self._track, self._limits = path, track, limits
        tracks = video_tracks(path)
        if track >= len(tracks):
            raise MediaError(
                f"has {len(tracks)} video tracks; send the two streams as two files, or as two tracks of one"
            )
        video = tracks[track]
        limits.check_pixels(video.width, video.height)
        limits.check_frames(video.num_packets)
        self.num_frames, self.fps, self.times_s = video.num_packets, video.fps, video.times_s

    def read(self, indices: Sequence[int]) -> Iterator[Frame]:
        wanted = set(indices)
        times_s: list[float | None] = []
        # One thread: the processes are the parallelism, and the network wants the other cores.
        for index, picture in enumerate(decode_video(self._path, self._track, num_threads=1)):
            times_s.append(picture.time)
            self._limits.check_frames(len(times_s))
            if index in wanted:
                yield to_frame(picture)
        if len(times_s) != self.num_frames:  # some packets carry no frame of their own
            self.num_frames = len(times_s)
            known = tuple(time for time in times_s if time is not None)
            self.times_s = known if len(known) == len(times_s) else None
            raise MiscountedError


def count_tracks(path: Path) -> int:
    """Return how many video tracks a file has; 0 when it is no video."""
    try:
        return len(video_tracks(path))
    except MediaError:
        return 0
