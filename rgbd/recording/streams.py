"""What a reader of a recording's file gives: streams, frame by frame."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import av
import numpy as np

from rgbd.camera.calibration import StreamCamera
from rgbd.errors import MediaError
from rgbd.recording.limits import NO_LIMITS, Limits
from rgbd.recording.timeline import Timeline, make_timeline
from rgbd.types import Frame, Size

Picture = av.VideoFrame | Frame
"""A frame of a video as it is stored, whose conversion may wait for `frame_of`; or a frame."""


class MiscountedError(Exception):
    """A video has another number of frames than it promises. It is counted now: choose, and read, again."""


class StreamReader(Protocol):
    """One stream of a recording. Nothing is decoded before it is asked for, and nothing is kept.

    Readers inherit of it what files of their format do not say.
    """

    name: str
    """What messages call it: the file, or the folder, of all that was recorded together on one clock."""

    track: str = ""
    """What its file calls it, such as a topic of ROS; empty where files of its format hold one stream."""

    size: Size
    """Of a frame, as it is shown."""

    is_depth: bool
    """Whether frames are 16-bit distances, and not colours."""

    unit_mm: float | None = None
    """How many millimetres one unit of its distances is; None where the file does not say it."""

    camera: StreamCamera = StreamCamera()
    """What the file says of the camera that took it."""

    num_frames: int
    """As the file promises it, and as it is where all frames have been read."""

    fps: float | None = None
    times_s: tuple[float, ...] | None = None
    """Of each frame, ascending; None where the file does not know them."""

    notes: tuple[str, ...] = ()
    """What is odd about it and no damage, in words."""

    @property
    def damage(self) -> tuple[str, ...]:
        """What is missing or broken in the file, in words; all of it is known when all frames were read."""
        return ()

    def read(self, indices: Sequence[int] | None = None) -> Iterator[Picture]:
        """Yield the frames at these places, which ascend and differ, or all frames.

        Raises `MediaError` where one cannot be decoded, and `DamagedError` as `Limits.on_damage` says. Where the file
        has not kept its promise, raises `MiscountedError` after the last of the places, when another frame is asked
        for.
        """

    def timeline(self, fps: float | None = None) -> Timeline:
        """Return when its frames were taken, at a rate of `fps` where the file knows of none.

        Raises `MediaError` where it holds no frames.
        """
        if self.num_frames == 0:
            raise no_frames(self)
        return make_timeline(self.num_frames, self.fps or fps, self.times_s)

    def frame_name(self, index: int) -> str:
        """Return what messages call one frame."""
        return f"{self.name}, frame {index + 1}"


def no_frames(reader: StreamReader) -> MediaError:
    """Return the error of a stream in which there is nothing to see."""
    return MediaError(f"{reader.name}: holds no frames; record it again")


def frame_of(picture: Picture) -> Frame:
    """Return a picture as a frame, turned as it is shown: uint8 RGB [H, W, 3], or uint16 [H, W]."""
    if not isinstance(picture, av.VideoFrame):
        return picture
    num_turns = turn_deg(picture) // 90
    if is_deep_grey(picture.format):  # never converted: that would scale 10 or 12 bits to 16
        return np.rot90(picture.to_ndarray(), num_turns).astype(np.uint16, copy=False)
    # Each frame has a converter of its own, which would start a thread for each core: at 320x240 most of the time.
    return np.rot90(picture.to_ndarray(format="rgb24", threads=1), num_turns).astype(np.uint8, copy=False)


def is_deep_grey(pixels: av.VideoFormat) -> bool:
    """Return whether pixels are whole numbers of one channel and of more than 8 bits, as depth is stored."""
    components = pixels.components
    return len(components) == 1 and 8 < components[0].bits <= 16 and pixels.name.startswith("gray")


def turn_deg(picture: av.VideoFrame) -> int:
    """Return how far a frame is turned counter-clockwise to be shown: 0, 90, 180 or 270 degrees."""
    return round(picture.rotation / 90) % 4 * 90


class Excerpt(StreamReader):
    """The frames of a stream from `start` to before `stop`; where it has fewer, that is damage."""

    def __init__(self, stream: StreamReader, start: int, stop: int, limits: Limits = NO_LIMITS) -> None:
        self._stream, self._start, self._stop, self._limits = stream, start, stop, limits
        self.name, self.size, self.is_depth, self.fps = stream.name, stream.size, stream.is_depth, stream.fps
        self.track, self.unit_mm, self.camera, self.notes = stream.track, stream.unit_mm, stream.camera, stream.notes
        self.num_frames = min(stop, stream.num_frames) - start
        self.times_s = stream.times_s[start:stop] if stream.times_s else None

    def read(self, indices: Sequence[int] | None = None) -> Iterator[Picture]:
        """Yield the frames at these places of the excerpt, or all of its frames."""
        self._limits.check_damage(self.name, self.damage)
        wanted = range(self.num_frames) if indices is None else indices
        pictures = self._stream.read([self._start + index for index in wanted])
        num_read = 0
        try:
            for _, picture in zip(wanted, pictures, strict=False):  # in this order: nothing is read past the last
                yield picture
                num_read += 1
        except MiscountedError:
            if indices is not None:
                raise
            self.num_frames = num_read
            self._limits.check_damage(self.name, self.damage)

    @property
    def damage(self) -> tuple[str, ...]:
        """What its file lacks, and what it lacks itself."""
        num_wanted = self._stop - self._start
        if self.num_frames == num_wanted:
            return self._stream.damage
        short = f"has {self.num_frames} of the {num_wanted} frames, {self._start} to {self._stop - 1}, that are wanted"
        return (*self._stream.damage, short)

    def frame_name(self, index: int) -> str:
        """Return what messages call one frame."""
        return self._stream.frame_name(self._start + index)


class Derived(StreamReader):
    """Frames that `derive` makes of those of another stream, one of each."""

    def __init__(self, stream: StreamReader, size: Size, derive: Callable[[Frame], Frame]) -> None:
        self._stream, self._derive = stream, derive
        self.name, self.track, self.size, self.fps = stream.name, stream.track, size, stream.fps
        self.camera, self.notes = stream.camera, stream.notes
        self._count()

    @property
    def damage(self) -> tuple[str, ...]:
        """What the other stream lacks."""
        return self._stream.damage

    def read(self, indices: Sequence[int] | None = None) -> Iterator[Frame]:
        """Yield the frames at these places, or all of them."""
        try:
            for picture in self._stream.read(indices):
                yield self._derive(frame_of(picture))
        finally:
            self._count()

    def frame_name(self, index: int) -> str:
        """Return what messages call one frame."""
        return self._stream.frame_name(index)

    def _count(self) -> None:
        self.num_frames, self.times_s = self._stream.num_frames, self._stream.times_s
