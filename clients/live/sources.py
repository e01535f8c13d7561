"""Where frames come from: recordings, which are replayed as fast as they were taken, and cameras."""

import heapq
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from clients.errors import InputError
from clients.live.messages import Frame, Stream

_CAMERA = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}"), "win32": ("dshow", "video={}")}
_REALSENSE = (640, 480, 30)


@dataclass(frozen=True)
class TakenFrame:
    """A frame, uint8 RGB [H, W, 3] or uint16 [H, W], and when it was taken, in seconds."""

    stream: Stream
    time_s: float
    frame: Frame


@dataclass(frozen=True)
class Source:
    """Frames in the order in which they were taken.

    sizes: (width, height) of each stream's. depth_scale_mm: millimetres of one unit of depth, where the camera tells.
    """

    sizes: dict[Stream, tuple[int, int]]
    frames: Iterator[TakenFrame]
    depth_scale_mm: float | None = None


@contextmanager
def recording(files: dict[Stream, Path], speed: float) -> Iterator[Source]:
    """Replay the file of each stream, `speed` times as fast as it was taken; raises `InputError` for what is none."""
    with ExitStack() as opened:
        videos: dict[Stream, Iterator[TakenFrame]] = {}
        sizes: dict[Stream, tuple[int, int]] = {}
        for stream, path in files.items():
            container = opened.enter_context(_opened(str(path)))  # of its own: each is decoded at its own pace
            track = next((track for track in container.streams.video if _is_depth(track) == (stream == "depth")), None)
            if track is None:
                raise InputError(f"{path}: holds no {stream}; depth is a video of 16-bit grey, and colour another")
            sizes[stream] = track.width, track.height
            videos[stream] = _decoded(container, track, stream)
        merged = heapq.merge(*videos.values(), key=lambda taken: taken.time_s)
        yield Source(sizes, paced(merged, speed))


def streams_in(path: Path) -> dict[Stream, Path]:
    """Return the file by each of the streams that it holds; raises `InputError` where it is no video."""
    with _opened(str(path)) as container:
        return {"depth" if _is_depth(track) else "rgb": path for track in container.streams.video}


@contextmanager
def camera(number: str) -> Iterator[Source]:
    """Take frames of a camera for colour, by its number, or its name where the system has names."""
    if sys.platform not in _CAMERA:
        raise InputError(f"--camera {number}: cameras of this system are not known; use --rtsp")
    kind, place = _CAMERA[sys.platform]
    with network(place.format(number), format=kind) as source:
        yield source


@contextmanager
def network(url: str, **options: Any) -> Iterator[Source]:
    """Take frames of a camera on the network; their times are those of their arrival."""
    with _opened(url, **options) as container:
        track = container.streams.video[0]
        frames = (TakenFrame("rgb", time.monotonic(), taken.frame) for taken in _decoded(container, track, "rgb"))
        yield Source({"rgb": (track.width, track.height)}, frames)


@contextmanager
def realsense() -> Iterator[Source]:
    """Take colour and depth of a RealSense camera, depth laid over colour."""
    try:
        import pyrealsense2 as rs  # noqa: PLC0415  a camera's library, which most do not need
    except ImportError as error:
        raise InputError("--realsense needs the camera's library; pip install pyrealsense2") from error
    width, height, fps = _REALSENSE
    config, pipeline = rs.config(), rs.pipeline()
    config.enable_stream(rs.stream.color, width, height, rs.format.rgb8, fps)
    config.enable_stream(rs.stream.depth, width, height, rs.format.z16, fps)
    try:
        profile = pipeline.start(config)
    except RuntimeError as error:
        raise InputError(
            f"--realsense: no camera can be opened ({error}); check the cable, and other programs"
        ) from error
    unit_mm = 1000 * profile.get_device().first_depth_sensor().get_depth_scale()
    align = rs.align(rs.stream.color)

    def frames() -> Iterator[TakenFrame]:
        while True:
            both = align.process(pipeline.wait_for_frames())
            color, depth = both.get_color_frame(), both.get_depth_frame()
            yield TakenFrame("rgb", color.get_timestamp() / 1000, np.asanyarray(color.get_data()))
            yield TakenFrame("depth", depth.get_timestamp() / 1000, np.asanyarray(depth.get_data()))

    try:
        yield Source({"rgb": (width, height), "depth": (width, height)}, frames(), unit_mm)
    finally:
        pipeline.stop()


def paced(frames: Iterator[TakenFrame], speed: float) -> Iterator[TakenFrame]:
    """Yield frames no sooner than they would come from a camera that takes them `speed` times as fast."""
    begun_s, first_s = time.monotonic(), None
    for taken in frames:
        first_s = taken.time_s if first_s is None else first_s
        time.sleep(max(0.0, begun_s + (taken.time_s - first_s) / speed - time.monotonic()))
        yield TakenFrame(taken.stream, taken.time_s - first_s, taken.frame)


def _opened(place: str, **options: Any) -> InputContainer:
    try:
        container: InputContainer = av.open(place, **options)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            f"{place}: cannot be opened ({error}); check the name, and that nothing else uses it"
        ) from error
    if not container.streams.video:
        raise InputError(f"{place}: holds no video")
    return container


def _is_depth(track: VideoStream) -> bool:
    return bool(track.format is not None and track.format.name.startswith("gray16"))


def _decoded(container: InputContainer, track: VideoStream, stream: Stream) -> Iterator[TakenFrame]:
    try:
        for frame in container.decode(track):
            pixels: Frame
            if stream == "depth":
                pixels = frame.to_ndarray().astype(np.uint16, copy=False)
            else:
                pixels = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
            yield TakenFrame(stream, float(frame.time or 0.0), pixels)
    except av.error.FFmpegError as error:
        raise InputError(f"{container.name}: cannot be read to its end ({error})") from error
