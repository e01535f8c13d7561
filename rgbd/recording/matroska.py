"""The file that keeps all of a recording: Matroska with colour and depth, bit for bit, their times and calibration.

Tracks are FFV1, intra only, with a checksum of each slice: 8-bit RGB titled COLOR, 16-bit grey titled DEPTH; depth that
was published as 8-bit images is RGB, too. Times are whole milliseconds.
"""

import hashlib
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np

from rgbd.errors import MediaError, reason_of
from rgbd.files import atomic_file
from rgbd.recording.formats import open_streams
from rgbd.recording.streams import MiscountedError, Picture, StreamReader, frame_of
from rgbd.recording.timeline import Timeline
from rgbd.recording.tracks import TITLES
from rgbd.recording.videos.matroska_calibration import CALIBRATION_FILE, AttachedCalibration, AttachedTrack
from rgbd.types import Frame, Stream

Step = Literal["write", "compare"]
"""What is done with a frame."""

_PIXELS = {3: ("bgr0", "rgb24"), 2: ("gray16le", "gray16le")}  # stored, given; by the dimensions of a frame
_FFV1 = {"level": "3", "slicecrc": "1", "g": "1"}
_UNTIMED_FPS = 30
_LATEST_S = 1e12
_SAME_RATE = 0.01  # by which whole milliseconds may change it
_LARGEST_DENOMINATOR = 1001  # of a rate, such as 30000/1001


@dataclass
class WrittenTrack:
    """What a track of a file must give back: when each frame was taken, and a digest of its pixels.

    times_ms: on the recording's clock. is_timed: whether these were known. farthest_ms: how far a time had to be moved,
    because no two frames of a track have one millisecond.
    """

    title: str
    stream: StreamReader
    times_ms: Sequence[int]
    is_timed: bool
    farthest_ms: float
    digests: list[bytes] = field(default_factory=list)

    @property
    def attached(self) -> AttachedTrack:
        """What is said of it beside its frames."""
        return AttachedTrack.of(self.title, self.stream.camera, self.stream.unit_mm, is_timed=self.is_timed)


def write_matroska(
    path: Path,
    streams: Mapping[Stream, StreamReader],
    fps: Mapping[Stream, float | None],
    on_frame: Callable[[Step], None],
) -> list[WrittenTrack]:
    """Write one stream or two, frame by frame, read them back, and put the file into place where all is equal.

    Returns what was written. fps: of streams that do not know their times. Tracks of one file share its clock, files
    begin together. `on_frame` is called after each frame that was written, and after each that was compared. Raises
    `MediaError` where a stream cannot be read, or the file not be written as it should be, and `MiscountedError` where
    a stream had another number of frames than it promised: it is counted now, write again.
    """
    tracks = [_plan(stream, reader, fps.get(stream), streams) for stream, reader in streams.items()]
    try:
        with atomic_file(path) as temporary:
            _write(temporary, tracks, on_frame)
            check_matroska(temporary, tracks, on_frame, name=str(path))
    except OSError as error:  # those of FFmpeg as well; readers raise none
        raise MediaError(f"{path}: cannot be written ({reason_of(error)}); make room, or name another place") from error
    return tracks


def _plan(
    stream: Stream, reader: StreamReader, fps: float | None, streams: Mapping[Stream, StreamReader]
) -> WrittenTrack:
    line = reader.timeline(fps)
    if not line.is_timed:
        line = Timeline(line.clock / _UNTIMED_FPS, is_timed=False)
    if len({other.name for other in streams.values()}) > 1:
        line = line.counted_from(line.start)
    if not np.all(np.abs(line.clock) < _LATEST_S):
        raise MediaError(
            f"{reader.name}: has times that cannot be, up to {np.abs(line.clock).max():g} s; copy it again"
        )
    times_ms: list[int] = []
    for time in line.clock.tolist():
        nearest = round(time * 1000)
        times_ms.append(max(nearest, times_ms[-1] + 1) if times_ms else nearest)
    farthest_ms = float(np.abs(np.array(times_ms) - line.clock * 1000).max())
    return WrittenTrack(TITLES[stream], reader, times_ms, line.is_timed, farthest_ms)


def _write(path: Path, tracks: Sequence[WrittenTrack], on_frame: Callable[[Step], None]) -> None:
    start_ms = min(track.times_ms[0] for track in tracks)
    attached = AttachedCalibration(start_ms=start_ms, tracks=tuple(track.attached for track in tracks))
    with av.open(str(path), "w", format="matroska") as container:
        content = attached.model_dump_json(indent=2).encode()
        container.add_attachment(CALIBRATION_FILE, "application/json", content)
        encoders = [_Encoder(container, track, start_ms) for track in tracks]
        for time_ms, number, frame in heapq.merge(*(encoder.frames(place) for place, encoder in enumerate(encoders))):
            encoders[number].write(frame, time_ms)
            on_frame("write")
        for encoder in encoders:
            encoder.end()


class _Encoder:
    """Writes the frames of one track; two of them take turns, so that the file is in the order of time."""

    def __init__(self, container: av.container.OutputContainer, track: WrittenTrack, start_ms: int) -> None:
        self._container, self._track, self._start_ms = container, track, start_ms
        pictures = track.stream.read()
        first = next(pictures, None)
        if first is None:
            raise MiscountedError
        self._pictures = chain([first], pictures)
        self._shape = frame_of(first).shape
        self._stored, self._given = _PIXELS[len(self._shape)]
        stream: Any = container.add_stream("ffv1", rate=_rate(track), options=_FFV1)  # of any kind, by PyAV's types
        stream.height, stream.width = self._shape[:2]
        stream.pix_fmt = self._stored
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        stream.metadata["title"] = track.title
        self._stream = stream

    def frames(self, place: int) -> Iterator[tuple[int, int, Picture]]:
        """Yield (time, place, frame) of all frames; the last step raises where they are not as many as promised."""
        count = 0
        for count, picture in enumerate(self._pictures, start=1):
            if count <= len(self._track.times_ms):
                yield self._track.times_ms[count - 1], place, picture
        if count != len(self._track.times_ms):
            raise MiscountedError

    def write(self, picture: Picture, time_ms: int) -> None:
        """Write a frame."""
        frame = _packed(picture)
        if frame.shape != self._shape:
            raise MediaError(
                f"{self._track.stream.frame_name(len(self._track.digests))}: is {_described(frame.shape)}, the first "
                f"is {_described(self._shape)}; a track has frames of one kind and size"
            )
        self._track.digests.append(_digest(frame))
        given = av.VideoFrame.from_ndarray(frame, format=self._given).reformat(format=self._stored, threads=1)
        given.pts, given.time_base = time_ms - self._start_ms, Fraction(1, 1000)
        self._container.mux(self._stream.encode(given))

    def end(self) -> None:
        """Write what the encoder has not given back yet."""
        self._container.mux(self._stream.encode())


def _rate(track: WrittenTrack) -> Fraction:
    """Return the usual rate of a track, which players show."""
    intervals = [after - before for before, after in pairwise(track.times_ms)]
    said = track.stream.fps or _UNTIMED_FPS
    fps = 1000 * len(intervals) / sum(intervals) if intervals else said
    if abs(fps / said - 1) < _SAME_RATE:
        fps = said
    return max(Fraction(1, _LARGEST_DENOMINATOR), Fraction(fps).limit_denominator(_LARGEST_DENOMINATOR))


def _packed(picture: Picture) -> Frame:
    frame = frame_of(picture)
    return frame if frame.flags.c_contiguous else frame.copy()


def _digest(frame: Frame) -> bytes:
    return hashlib.blake2b(frame.data, digest_size=16).digest()


def _described(shape: tuple[int, ...]) -> str:
    return f"{'depth' if len(shape) == 2 else 'colour'} of {shape[1]}x{shape[0]}"


def check_matroska(
    path: Path, tracks: Sequence[WrittenTrack], on_frame: Callable[[Step], None], *, name: str | None = None
) -> None:
    """Read a file, and compare all of it with what was written; raises `MediaError` where anything differs.

    Frames are compared bit for bit, times to the millisecond, cameras and units as they are. name: what messages call
    the file.
    """
    read = {reader.track: reader for reader in open_streams(path)}
    for track in tracks:
        stream, source = read.pop(track.title, None), track.stream
        if stream is None:
            raise _unequal(name or str(path), f"has no track {track.title}")
        said = (stream.num_frames, stream.size, stream.camera, stream.unit_mm, _times_ms(stream))
        times_ms = list(track.times_ms) if track.is_timed else None
        if said != (len(track.digests), source.size, source.camera, source.unit_mm, times_ms):
            raise _unequal(name or str(path), f"says other things of {track.title} than were written")
        for index, picture in enumerate(stream.read()):
            if _digest(_packed(picture)) != track.digests[index]:
                raise _unequal(name or str(path), f"has another frame {index + 1} of {track.title} than was written")
            on_frame("compare")


def _times_ms(stream: StreamReader) -> list[int] | None:
    return None if stream.times_s is None else [round(time * 1000) for time in stream.times_s]


def _unequal(name: str, what: str) -> MediaError:
    return MediaError(f"{name}: {what}; check the disk and its room, and write it again")
