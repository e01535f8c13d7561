"""What is missing or broken in a video: what its container promises and does not hold, and what its decoder conceals.

FFmpeg goes on as well as it can. A file that was cut ends early, a damaged frame is filled from the one before, and
nothing is raised. Containers say how much there should be; packets and frames carry marks; for the rest there is what
FFmpeg logs.
"""

import logging
import mmap
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import av
from av.logging import Capture

from rgbd.errors import NO_MEMORY, DamagedError, TooLargeError
from rgbd.recording.limits import OnDamage

# PyAV hands on no message otherwise, and one that repeats the last, which may be another file's, not at all.
av.logging.set_level(av.logging.ERROR)
av.logging.set_skip_repeated(False)
logging.getLogger("libav").addHandler(logging.NullHandler())  # what nobody captures is not for standard error

# What demuxers say of a file that ends in the middle, or has no structure. They complain of much that is sound, too.
_BROKEN_CONTAINER = re.compile(
    "ended prematurely|partial file|invalid as first byte|exceeds containing master|exceeds max length|packet mismatch",
    re.IGNORECASE,
)
# These mark the frames that they have concealed, and complain of sound streams, too: those of phones, cut by an editor.
_MARKING_CODECS = frozenset(
    ("h264", "hevc", "mpeg4", "msmpeg4v2", "msmpeg4v3", "h263", "flv1", "wmv1", "wmv2", "mpeg1video", "mpeg2video")
)
_HARMLESS = re.compile("unable to decode APP fields")  # of JPEG: what a camera writes beside the picture
_SIGNS_OF_NO_MEMORY = re.compile(r"get_buffer\(\) failed|out of memory|cannot allocate", re.IGNORECASE)
_A_FEW_FRAMES_BYTES = 128 << 20  # large ones, as a decoder holds them
_CHUNK_HEAD_BYTES = 8  # of an AVI, at which its index points
_EMPTY_BLOCK = bytes(8)  # what is left of a file that was not written or sent to its end
_TIMED_CONTAINERS = ("matroska", "flv")  # whose header says how long they last; others do, too, or FFmpeg guesses it
_TOLERANCE_S, _TOLERANCE_FRAMES = 0.25, 3  # of that length: not all count how long the last frame is shown


@dataclass
class Packets:
    """The packets of one track, as they come.

    times: of each, in units of the track. keys: the numbers of those that need no other to be decoded. num_cut: of how
    many a part is missing. last_position: where in the file the last one lies.
    """

    times: list[int | None] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    num_cut: int = 0
    last_position: int = 0

    def add(self, packet: "av.Packet[Any]") -> None:
        """Take note of a packet that holds something."""
        if packet.is_keyframe:
            self.keys.append(len(self.times))
        self.times.append(packet.pts)
        self.num_cut += packet.is_corrupt
        self.last_position = max(self.last_position, packet.pos or 0)


class Promise:
    """What a container that was just opened says of how much it holds."""

    def __init__(self, container: av.container.InputContainer) -> None:
        self._format, self._duration_us = container.format.name, container.duration
        # Indices grow while a file is read.
        self._indices = {track.index: _index_of(track) for track in container.streams.video}

    def broken(
        self, track: av.VideoStream, packets: Packets, end_s: float, messages: Sequence[tuple[int, str, str]]
    ) -> tuple[str, ...]:
        """Return in words what a track, whose packets these are, lacks; the last packet of any track ends at `end_s`.

        messages: what FFmpeg has said while they were read.
        """
        found, num_packets = [], len(packets.times)
        promised = self._num_frames(track, packets)
        if promised > num_packets:
            found.append(f"holds {num_packets} of the {promised} frames that its header promises")
        promised_s = (self._duration_us or 0) / 1e6 if self._format.startswith(_TIMED_CONTAINERS) else 0.0
        usual_s = float(1 / track.average_rate) if track.average_rate else 0.0
        if end_s < promised_s - max(_TOLERANCE_S, _TOLERANCE_FRAMES * usual_s):
            found.append(f"ends after {end_s:.2f} of the {promised_s:.2f} s that its header promises")
        if packets.num_cut:
            found.append(f"{_frames(packets.num_cut)} of it {'is' if packets.num_cut == 1 else 'are'} not complete")
        said = next((text.strip() for _, name, text in messages if self._is_broken(name, text)), None)
        if said and not found:
            found.append(f"is damaged or cut short behind frame {num_packets} ({said})")
        return tuple(found)

    def _num_frames(self, track: av.VideoStream, packets: Packets) -> int:
        """Return how many packets there should be; 0 where the container does not say."""
        num_listed, end = self._indices[track.index]
        if "mp4" in self._format:  # not the header's number: an edit list may leave some of them out
            return num_listed
        if self._format != "avi":
            return track.frames
        # Its header counts places: an empty one means that the frame before is shown for longer. The index, which a
        # file that was cut has lost, lists what is there.
        if num_listed > 1 and end + _CHUNK_HEAD_BYTES >= packets.last_position:
            return num_listed
        places = 1 + max((time for time in packets.times if time is not None), default=-1)
        return track.frames - max(0, places - len(packets.times))

    def _is_broken(self, name: str, text: str) -> bool:
        return name == self._format and _BROKEN_CONTAINER.search(text) is not None


def _index_of(track: av.VideoStream) -> tuple[int, int]:
    """Return how many packets the index of a track lists, and where in the file the last one lies."""
    entries = track.index_entries
    return len(entries), entries[-1].pos if len(entries) else 0


class Decoding:
    """What the decoder of a track could not make frames of, or not wholly; each once, however often it is read."""

    def __init__(self, name: str, on_damage: OnDamage = "refuse") -> None:
        self._name, self._on_damage = name, on_damage
        self._undecodable: set[int] = set()
        self._concealed: set[tuple[int, int]] = set()

    @property
    def broken(self) -> tuple[str, ...]:
        """What was found so far, in words."""
        found = []
        if self._undecodable:
            found.append(f"{_frames(len(self._undecodable))} cannot be decoded")
        if self._concealed:
            found.append(f"{_frames(len(self._concealed))} {'is' if len(self._concealed) == 1 else 'are'} damaged")
        return tuple(found)

    def frames_of(self, packet: "av.Packet[av.VideoStream]", number: int, num_before: int) -> list[av.VideoFrame]:
        """Return the frames that a packet, which has this number, completes; `num_before` have come before.

        Raises `DamagedError` for one that is damaged, unless damage is to be reported, and FFmpeg's error for a packet
        that cannot be decoded, unless these are to be skipped.
        """
        with Capture() as messages:
            try:
                frames = packet.decode()
            except av.error.InvalidDataError as error:
                check_memory(self._name, error, messages)
                if self._on_damage != "skip":
                    raise
                self._undecodable.add(number)
                return []
        concealed = [place for place, frame in enumerate(frames) if frame.is_corrupt]
        codec = packet.stream.codec_context
        if not concealed and (_complains(codec.name, messages) or _has_holes(codec, packet)):
            concealed = [0]
        if concealed and self._on_damage == "refuse":
            raise DamagedError(f"{self._name}: is damaged at frame {num_before + concealed[0] + 1}; copy it again")
        self._concealed |= {(number, place) for place in concealed}
        return frames


def check_memory(name: str, error: Exception, messages: Sequence[tuple[int, str, str]] = ()) -> None:
    """Raise `TooLargeError` where a file was not decoded because there is too little memory.

    FFmpeg's decoders call that invalid data; what they have said meanwhile, `messages`, tells, or that there is hardly
    any memory left.
    """
    # A thread that cannot be started is what is left of a lack of addresses.
    is_told = any(_SIGNS_OF_NO_MEMORY.search(text) for _, _, text in messages)
    is_likely = isinstance(error, av.error.InvalidDataError) and _is_short_of_memory()
    if isinstance(error, MemoryError | BlockingIOError) or is_told or is_likely:
        raise TooLargeError(f"{name}: {NO_MEMORY}") from error


def _is_short_of_memory() -> bool:
    """Return whether a limit on this process's memory leaves so little that a frame may have been too much."""
    try:
        mmap.mmap(-1, _A_FEW_FRAMES_BYTES).close()
    except OSError:
        return True
    return False


def _complains(codec: str, messages: Sequence[tuple[int, str, str]]) -> bool:
    """Return whether a decoder, of the kind that marks no frames, has found something wrong with one."""
    return codec not in _MARKING_CODECS and any(not _HARMLESS.search(text) for _, _, text in messages)


def _has_holes(codec: av.VideoCodecContext, packet: "av.Packet[av.VideoStream]") -> bool:
    """Return whether zeros stand in a packet where its codec has none: not three in a row, but for lengths before."""
    is_prefixed = codec.name in ("h264", "hevc") and (codec.extradata or b"").startswith(b"\x01")
    return is_prefixed and _EMPTY_BLOCK in bytes(packet)


def _frames(count: int) -> str:
    return f"{count} frame{'' if count == 1 else 's'}"
