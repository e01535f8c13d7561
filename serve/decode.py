"""An uploaded file -> its frames. Runs in decoder processes: nothing here trusts what it reads."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from rgbd.errors import MediaError
from rgbd.recording.video import VideoTrack, decode_video, to_frame, video_tracks
from rgbd.types import Frame
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


def open_streams(path: Path, limits: Limits, most: int) -> list[StreamReader]:
    """Return what a file holds, not decoded yet: up to `most` tracks of a video, a zip of images or an .npz array.

    What the file is, is decided by its first bytes. Raises `UnknownContainerError`, `TooLargeError`, or `MediaError`.
    """
    with path.open("rb") as file:
        head = file.read(12)
    if head.startswith(b"PK\x03\x04"):
        return [open_archive(path, limits)]
    is_video = head.startswith((b"\x1aE\xdf\xa3", b"RIFF")) or head[4:8] == b"ftyp"
    if not is_video:
        raise UnknownContainerError("is no mp4, mkv, webm or avi video, no zip of JPEG or PNG frames, and no .npz")
    tracks = video_tracks(path)
    if not tracks:
        raise MediaError("has no video track; check that it is the recording")
    return [_VideoReader(path, number, track, limits) for number, track in enumerate(tracks[:most])]


class _VideoReader:
    def __init__(self, path: Path, number: int, track: VideoTrack, limits: Limits) -> None:
        self._path, self._number, self._limits = path, number, limits
        limits.check_pixels(track.width, track.height)
        limits.check_frames(track.num_packets)
        self.num_frames, self.fps, self.times_s = track.num_packets, track.fps, track.times_s

    def read(self, indices: Sequence[int]) -> Iterator[Frame]:
        wanted = set(indices)
        times_s: list[float | None] = []
        # One thread: the processes are the parallelism, and the network wants the other cores.
        for index, picture in enumerate(decode_video(self._path, self._number, num_threads=1)):
            times_s.append(picture.time)
            self._limits.check_frames(len(times_s))
            if index in wanted:
                yield to_frame(picture)
        if len(times_s) != self.num_frames:  # some packets carry no frame of their own
            self.num_frames = len(times_s)
            known = tuple(time for time in times_s if time is not None)
            self.times_s = known if len(known) == len(times_s) else None
            raise MiscountedError
