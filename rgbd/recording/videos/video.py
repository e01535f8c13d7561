"""Read and write videos."""

from bisect import bisect_right
from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.logging import Capture
from av.stream import Disposition

from rgbd.errors import DamagedError, MediaError
from rgbd.files import atomic_file
from rgbd.recording.archive import MemberFile
from rgbd.recording.limits import Limits
from rgbd.recording.streams import MiscountedError, Picture, StreamReader, frame_of, is_deep_grey, turn_deg
from rgbd.recording.videos.attachments import NO_FACTS, Attachments, TrackFacts, is_infrared
from rgbd.recording.videos.damage import Decoding, Packets, Promise, check_memory
from rgbd.types import Frame

_LEROBOT = (
    "LeRobot stores depth so: give such a video where it lies in its data set, whose meta/info.json says what its "
    "numbers mean, or give 16-bit PNG of millimetres"
)

# How each kind of stream is stored: XviD for colour, as the NTU recordings are; FFV1 for depth, bit for bit.
_CODECS = {"rgb": ("mpeg4", "yuv420p", "rgb24"), "depth": ("ffv1", "gray16le", "gray16le")}

# Codecs of which each packet is a frame, and frames come in the order in which they are shown.
_ONE_A_PACKET = frozenset(("ffv1", "mjpeg", "png", "rawvideo"))
_MAX_TITLE = 200  # letters: what is longer is no name, and would come back in messages

VideoFile = Path | MemberFile

QUANTISED_BITS = 12
"""Of grey that may be LeRobot's depth: steps of a logarithm, and no distances."""


@dataclass(frozen=True)
class VideoTrack:
    """What a container says of one video track; `num_packets` is counted, and is the number of frames as a rule.

    `width` and `height` are those of the frames as they are shown: `rotation_deg`, 0 to 270 counter-clockwise, is how
    far they are turned for that, as phones ask for. `times_s` holds the frames' times, ascending, where each is known.
    `keys` are the numbers of the frames that need none before them to be decoded; empty where packets are not a frame
    each. `damage` says in words what the container promises and does not hold. `name` is its title, with its number
    where others have the same; empty where it has none.
    """

    is_depth: bool  # grey of more than 8 bits
    width: int
    height: int
    rotation_deg: int
    fps: float | None
    num_packets: int
    times_s: tuple[float, ...] | None
    keys: tuple[int, ...] = ()
    damage: tuple[str, ...] = ()
    name: str = ""
    is_infrared: bool = False
    facts: TrackFacts = NO_FACTS
    num_bits: int = 8
    is_lossy: bool = False


def video_tracks(path: VideoFile) -> list[VideoTrack]:
    """Return the video tracks of a file, hardly decoding; raises `MediaError` when the file is not a video."""
    messages: list[tuple[int, str, str]] = []
    try:
        with Capture() as messages, _open(path) as container:
            tracks, promise = _decodable_tracks(container, path), Promise(container)
            packets, end_s = _packets_of(container)
            knows_rotation = "mp4" in container.format.name  # alone among those that are read here
            turns = {track.index: _rotation_deg(path, track) for track in tracks if knows_rotation}
            attachments = Attachments(container)
            return [
                replace(
                    _describe(
                        track,
                        packets[track.index],
                        turns.get(track.index, 0),
                        promise.broken(track, packets[track.index], end_s, messages),
                    ),
                    name=name,
                    facts=attachments.facts(name, (track.width, track.height), is_depth=_is_depth(track)),
                )
                for track, name in zip(tracks, _names(tracks), strict=True)
            ]
    except (av.FFmpegError, OSError) as error:
        check_memory(str(path), error, messages)
        reason = f"cannot be opened as a video ({error.strerror})"
        raise MediaError(f"{path}: {reason}; check that the file is complete") from error


@contextmanager
def _open(path: VideoFile) -> Iterator[av.container.InputContainer]:
    # Titles in an old encoding are common, and no concern of ours. A container may name other files or addresses to
    # read on from: addresses are none of its business.
    file: Any = path.open() if isinstance(path, MemberFile) else str(path)
    with av.open(file, metadata_errors="replace", container_options={"protocol_whitelist": "file"}) as container:
        yield container


def _decodable_tracks(container: av.container.InputContainer, path: VideoFile) -> tuple[av.VideoStream, ...]:
    """Return the video tracks but for pictures that are attached, such as a cover."""
    tracks = tuple(track for track in container.streams.video if not track.disposition & Disposition.attached_pic)
    if any(track.codec_context is None for track in tracks):
        raise MediaError(f"{path}: is in a codec that is not known here; encode it again, as H.264 or FFV1")
    return tracks


def _names(tracks: Sequence[av.VideoStream]) -> list[str]:
    """Return what tracks are called: by their titles, and those of one title by their numbers among all, from 1."""
    titles = [track.metadata.get("title", "").strip()[:_MAX_TITLE] for track in tracks]
    return [
        f"{title} {number}" if title and titles.count(title) > 1 else title
        for number, title in enumerate(titles, start=1)
    ]


def _packets_of(container: av.container.InputContainer) -> tuple[dict[int, Packets], float]:
    """Return {index: its packets} of the video tracks, and when the last packet of any track, of sound too, ends."""
    packets, end_s = {track.index: Packets() for track in container.streams.video}, 0.0
    for packet in container.demux():
        if not packet.size:  # the end of a track
            continue
        if packet.pts is not None:
            end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if packet.stream.index in packets:
            packets[packet.stream.index].add(packet)
    return packets, end_s


def _describe(track: av.VideoStream, packets: Packets, rotation_deg: int, damage: tuple[str, ...]) -> VideoTrack:
    times, known = packets.times, [time for time in packets.times if time is not None]
    return VideoTrack(
        is_depth=_is_depth(track),
        width=track.height if rotation_deg % 180 else track.width,
        height=track.width if rotation_deg % 180 else track.height,
        rotation_deg=rotation_deg,
        fps=float(track.average_rate) if track.average_rate else None,
        num_packets=len(times),
        times_s=_in_seconds(known, track) if len(known) == len(times) else None,
        keys=tuple(packets.keys) if _is_one_a_packet(track) else (),
        damage=damage,
        is_infrared=_is_depth(track) and is_infrared(track.metadata),
        num_bits=max((part.bits for part in track.format.components), default=8) if track.format else 8,
        is_lossy=track.codec_context.codec.lossy,
    )


def _is_one_a_packet(track: av.VideoStream) -> bool:
    return track.codec_context.name in _ONE_A_PACKET and "matroska" in track.container.format.name


def _in_seconds(times: list[int], track: av.VideoStream) -> tuple[float, ...]:
    # Packets come in the order of decoding, frames in that of showing.
    return tuple(float(time * (track.time_base or 1)) for time in sorted(times))


def _rotation_deg(path: VideoFile, track: av.VideoStream) -> int:
    """Return how far a track is turned; only its frames say so, so the first is decoded."""
    with _open(path) as container:
        first = next(container.decode(container.streams[track.index]), None)
    return turn_deg(first) if isinstance(first, av.VideoFrame) else 0


def _is_depth(track: av.VideoStream) -> bool:
    return track.format is not None and is_deep_grey(track.format)


def decode_video(path: VideoFile, stream: int = 0) -> Iterator[av.VideoFrame]:
    """Yield the frames of video track `stream` as they are stored, for `frame_of`.

    Raises `MediaError` when the file is not a video or lacks the track, and `DamagedError` at the first frame that is
    damaged.
    """
    return (frame for _, frame in _decode_packets(path, stream, Decoding(str(path))))


def _decode_packets(
    path: VideoFile, stream: int, decoding: Decoding, needed: Container[int] | None = None
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield the frames of the packets with these numbers, or of all, and the number of the packet that completed each.

    Raises as `decode_video`, but for what `decoding` is to take note of.
    """
    try:
        with _open(path) as container:
            tracks = _decodable_tracks(container, path)
            if stream >= len(tracks):
                raise MediaError(f"{path}: has {len(tracks)} video tracks, track {stream} was asked for")
            track = tracks[stream]
            # Processes are the parallelism, of preprocessing and of the service; and what goes wrong in a thread of
            # FFmpeg is said behind our back.
            track.thread_count = 1
            num_frames = 0
            for number, packet in enumerate(container.demux(track)):
                if needed is not None and number not in needed:
                    continue
                for frame in decoding.frames_of(packet, number, num_frames if needed is None else number):
                    yield number, frame
                    num_frames += 1
    except (av.FFmpegError, OSError) as error:
        check_memory(str(path), error)
        reason = f"cannot be decoded as a video ({error.strerror})"
        raise DamagedError(f"{path}: {reason}; check that the file is complete") from error


def read_video(path: Path, stream: int = 0) -> Iterator[Frame]:
    """Yield the frames of video track `stream`: uint8 RGB [H, W, 3], or uint16 [H, W]; raises as `decode_video`."""
    return map(frame_of, decode_video(path, stream))


class VideoReader(StreamReader):
    """A track of a video."""

    def __init__(self, path: VideoFile, number: int, track: VideoTrack, limits: Limits) -> None:
        self._path, self._number, self._limits = path, number, limits
        self.name, self.size, self.is_depth = str(path), (track.width, track.height), track.is_depth
        self._facts = facts = track.facts
        self.track, self.camera, self.unit_mm, self.notes = track.name, facts.camera, facts.unit_mm, facts.notes
        self.num_frames, self.fps = track.num_packets, track.fps if facts.is_timed else None
        self.times_s = facts.on_its_clock(track.times_s)
        self._is_turned = track.rotation_deg != 0
        # Where what is damaged is skipped, frames have other numbers than packets.
        self._keys = track.keys if track.keys[:1] == (0,) and limits.on_damage != "skip" else ()
        self._decoding, self._lacks = Decoding(self.name, limits.on_damage), track.damage
        self.is_lossy, self.is_quantised = track.is_lossy, track.is_depth and track.num_bits == QUANTISED_BITS
        self.refusal: str | None = None  # why its numbers are not taken for distances
        if self.is_quantised and self.is_lossy:
            self.refusal = f"is 12-bit grey in a lossy codec, and what its numbers mean is not known; {_LEROBOT}"
        elif self.is_quantised:
            what = "12-bit grey was read as whole units of depth, because nothing says otherwise"
            self.notes = (*self.notes, f"{what}; {_LEROBOT}")

    @property
    def damage(self) -> tuple[str, ...]:
        """What the container lacks, and what could not be decoded so far."""
        return (*self._lacks, *self._decoding.broken)

    def read(self, indices: Sequence[int] | None = None) -> Iterator[Picture]:
        """Yield the frames at these places, or all of them, as they are stored unless they are turned to be shown."""
        if self.refusal is not None:
            raise MediaError(f"{self.name}: {self.refusal}")
        # Not before: of a file's tracks, one that nobody reads may be as large as it likes.
        self._limits.check_pixels(*self.size)
        self._limits.check_frames(self.num_frames)
        self._limits.check_damage(self.name, self._lacks)
        if indices is not None and self._keys:
            yield from self._read_alone(set(indices))
            return
        wanted = None if indices is None else set(indices)
        times_s: list[float | None] = []
        for index, (_, picture) in enumerate(_decode_packets(self._path, self._number, self._decoding)):
            times_s.append(picture.time)
            self._limits.check_frames(len(times_s))
            if wanted is None or index in wanted:
                yield frame_of(picture) if self._is_turned else picture
        if len(times_s) != self.num_frames:  # some packets carry no frame of their own
            self.num_frames = len(times_s)
            known = tuple(time for time in times_s if time is not None)
            self.times_s = self._facts.on_its_clock(known if len(known) == len(times_s) else None)
            if wanted is not None:
                raise MiscountedError

    def _read_alone(self, wanted: Collection[int]) -> Iterator[Picture]:
        """Yield the frames with these numbers, and decode no others than they need."""
        needed: set[int] = set()
        for number in wanted:
            needed.update(range(self._keys[bisect_right(self._keys, number) - 1], number + 1))
        for number, picture in _decode_packets(self._path, self._number, self._decoding, needed):
            if number in wanted:
                yield picture


def is_common_video(head: bytes) -> bool:
    """Return whether a file with these first bytes is an mp4, mkv, webm or avi."""
    return head.startswith((b"\x1aE\xdf\xa3", b"RIFF")) or head[4:8] == b"ftyp"


def open_video(path: VideoFile, limits: Limits) -> list[VideoReader]:
    """Return the tracks of a video that are colour or depth; raises `MediaError` where it is none, or has none.

    Infrared, which cameras of depth record beside it, is neither.
    """
    tracks = video_tracks(path)
    if not tracks:
        raise MediaError(f"{path}: has no video track; check that it is the recording")
    if any(min(track.width, track.height) < 1 for track in tracks):
        raise MediaError(f"{path}: does not say how large its frames are; check that the file is complete")
    readers = [VideoReader(path, number, track, limits) for number, track in enumerate(tracks) if not track.is_infrared]
    if not readers:
        raise MediaError(f"{path}: has a track of infrared only ({tracks[0].name}); record colour or depth with it")
    return readers


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
        track.gop_size = 1 if kind == "depth" else track.gop_size  # each frame alone, so that a few can be read alone
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
