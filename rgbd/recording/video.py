"""Read and write videos."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np

from rgbd.errors import MediaError
from rgbd.files import atomic_file
from rgbd.types import Frame

# How each kind of stream is stored: XviD for colour, as the NTU recordings are; FFV1 for depth, bit for bit.
_CODECS = {"rgb": ("mpeg4", "yuv420p", "rgb24"), "depth": ("ffv1", "gray16le", "gray16le")}


@dataclass(frozen=True)
class VideoTrack:
    """What a container says of one video track; `num_packets` is counted, and is the number of frames as a rule.

    `width` and `height` are those of the frames as they are shown: `rotation_deg`, 0 to 270 counter-clockwise, is how
    far they are turned for that, as phones ask for. `times_s` holds the frames' times, ascending, where each is known.
    """

    is_depth: bool  # 16-bit grey
    width: int
    height: int
    rotation_deg: int
    fps: float | None
    num_packets: int
    times_s: tuple[float, ...] | None


def video_tracks(path: Path) -> list[VideoTrack]:
    """Return the video tracks of a file, hardly decoding; raises `MediaError` when the file is not a video."""
    try:
        with _open(path) as container:
            tracks = _decodable_tracks(container, path)
            times = defaultdict[int, list[int | None]](list)
            for packet in container.demux(*tracks):  # of all streams, where none is a video
                if packet.size:
                    times[packet.stream.index].append(packet.pts)
            knows_rotation = "mp4" in container.format.name  # alone among those that are read here
            turns = {track.index: _rotation_deg(path, track) for track in tracks if knows_rotation}
            return [_describe(track, times[track.index], turns.get(track.index, 0)) for track in tracks]
    except (av.FFmpegError, OSError) as error:
        reason = f"cannot be opened as a video ({error.strerror})"
        raise MediaError(f"{path}: {reason}; check that the file is complete") from error


def _open(path: Path) -> av.container.InputContainer:
    # Titles in an old encoding are common, and no concern of ours. A container may name other files or addresses to
    # read on from: addresses are none of its business.
    return av.open(str(path), metadata_errors="replace", container_options={"protocol_whitelist": "file"})


def _decodable_tracks(container: av.container.InputContainer, path: Path) -> tuple[av.VideoStream, ...]:
    tracks = container.streams.video
    if any(track.codec_context is None for track in tracks):
        raise MediaError(f"{path}: is in a codec that is not known here; encode it again, as H.264 or FFV1")
    return tracks


def _describe(track: av.VideoStream, times: list[int | None], rotation_deg: int) -> VideoTrack:
    known = [time for time in times if time is not None]
    return VideoTrack(
        is_depth=_is_depth(track),
        width=track.height if rotation_deg % 180 else track.width,
        height=track.width if rotation_deg % 180 else track.height,
        rotation_deg=rotation_deg,
        fps=float(track.average_rate) if track.average_rate else None,
        num_packets=len(times),
        times_s=_in_seconds(known, track) if len(known) == len(times) else None,
    )


def _in_seconds(times: list[int], track: av.VideoStream) -> tuple[float, ...]:
    # Packets come in the order of decoding, frames in that of showing.
    return tuple(float(time * (track.time_base or 1)) for time in sorted(times))


def _rotation_deg(path: Path, track: av.VideoStream) -> int:
    """Return how far a track is turned; only its frames say so, so the first is decoded."""
    with _open(path) as container:
        first = next(container.decode(container.streams[track.index]), None)
    return _turn_deg(first) if isinstance(first, av.VideoFrame) else 0


def _turn_deg(picture: av.VideoFrame) -> int:
    return round(picture.rotation / 90) % 4 * 90


def _is_depth(track: av.VideoStream) -> bool:
    return track.format is not None and track.format.name.startswith("gray16")


def read_video(path: Path, stream: int = 0) -> Iterator[Frame]:
    """Yield the frames of video track `stream`: uint8 RGB [H, W, 3], or uint16 [H, W] where the track is 16-bit grey.

    Raises `MediaError` when the file is not a video, lacks the track, or breaks off in the middle.
    """
    return map(to_frame, decode_video(path, stream))


def to_frame(picture: av.VideoFrame) -> Frame:
    """Return a frame of a video as `read_video` does, turned as it is shown."""
    num_turns = _turn_deg(picture) // 90
    if picture.format.name.startswith("gray16"):
        return np.rot90(picture.to_ndarray(format="gray16le"), num_turns).astype(np.uint16, copy=False)
    # Each frame has a converter of its own, which would start a thread for each core: at 320x240 most of the time.
    return np.rot90(picture.to_ndarray(format="rgb24", threads=1), num_turns).astype(np.uint8, copy=False)


def decode_video(path: Path, stream: int = 0, *, num_threads: int = 0) -> Iterator[av.VideoFrame]:
    """Yield the frames of video track `stream` as they are stored, for `to_frame`; 0 threads: one a core."""
    try:
        with _open(path) as container:
            tracks = _decodable_tracks(container, path)
            if stream >= len(tracks):
                raise MediaError(f"{path}: has {len(tracks)} video tracks, track {stream} was asked for")
            track = tracks[stream]
            track.thread_type = "AUTO"
            track.thread_count = num_threads
            yield from container.decode(track)
    except (av.FFmpegError, OSError) as error:
        reason = f"cannot be decoded as a video ({error.strerror})"
        raise MediaError(f"{path}: {reason}; check that the file is complete") from error


def write_video(path: Path, frames: Iterable[Frame], *, fps: int = 30) -> int:
    """Write `frames` under `path` atomically and return their number; uint16 frames are stored losslessly (FFV1).

    Raises `MediaError` when there are no frames: an empty video is a mistake upstream, never a result.
    """
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise MediaError(f"{path}: no frames to write")
    kind: Literal["rgb", "depth"] = "depth" if first.dtype == np.uint16 else "rgb"
    codec, stored_format, given_format = _CODECS[kind]
    num_frames = 0
    with atomic_file(path) as temporary, av.open(str(temporary), "w") as container:
        track: Any = container.add_stream(codec, rate=Fraction(fps))  # PyAV's type covers every kind of stream
        track.height, track.width = first.shape[:2]
        track.pix_fmt = stored_format
        if kind == "rgb":
            track.codec_tag = "XVID" if path.suffix == ".avi" else track.codec_tag
            track.bit_rate = int(0.16 * fps * track.width * track.height)  # about 10 Mbit/s at 1080p, as NTU's files
        for frame in chain([first], iterator):
            packed = frame if frame.flags.c_contiguous else frame.copy()
            picture = av.VideoFrame.from_ndarray(packed, format=given_format)
            container.mux(track.encode(picture))
            num_frames += 1
        container.mux(track.encode())
    return num_frames
