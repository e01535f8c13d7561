"""The process of one live stream: there its frames are unpacked, people found, and the network's input made.

What goes between it and the service is plain data, as for uploads.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from export.predictor.clip_request import ClipRequest
from export.predictor.streams.first_look import View
from export.predictor.streams.live_frames import LiveFrames, Portion
from export.predictor.streams.timed_sampling import Sampled
from rgbd.types import Frame, Size, Stream
from serve.live.messages import PackedFrame
from serve.live.payloads import decode_frame
from serve.live.stream_process import StreamProcess
from serve.uploads.ipc import DecoderReply


@dataclass(frozen=True)
class Opening:
    """What a process is to expect: the streams with the sizes of their frames, and what is asked of them."""

    request: ClipRequest
    sizes: dict[Stream, Size]
    interval_s: float


class PortionFacts(BaseModel):
    """A portion without its pixels: what is looked at from there on, and of which streams there are frames."""

    view: View | None
    streams: list[Stream]


class FramesFacts(BaseModel):
    """What becomes of frames."""

    portions: list[PortionFacts] = []


@dataclass(frozen=True)
class _Opened:
    frames: LiveFrames
    sizes: dict[Stream, Size]
    last: dict[Stream, tuple[PackedFrame, Frame]] = field(default_factory=dict)

    def unpacked(self, stream: Stream, packed: PackedFrame) -> Frame:
        """Return a frame, which is unpacked once where it stands for several moments."""
        if stream not in self.last or self.last[stream][0] != packed:
            self.last[stream] = packed, decode_frame(packed, self.sizes[stream])
        return self.last[stream][1]


_opened: list[_Opened] = []  # the one that a process is at work on


def _open(opening: Opening) -> DecoderReply[FramesFacts]:
    frames = LiveFrames(opening.request, opening.sizes, opening.interval_s)
    _opened[:] = [_Opened(frames, opening.sizes)]
    return DecoderReply(FramesFacts())


def _take(moments: Sequence[Sampled[PackedFrame]]) -> DecoderReply[FramesFacts]:
    (opened,) = _opened
    return _reply(portion for moment in moments for portion in opened.frames.take(_unpacked(moment, opened)))


def _unpacked(moment: Sampled[PackedFrame], opened: _Opened) -> Sampled[Frame]:
    frames = {stream: opened.unpacked(stream, packed) for stream, packed in moment.frames.items()}
    return Sampled(moment.time_s, frames, moment.begins)


def _end(_: None) -> DecoderReply[FramesFacts]:
    (opened,) = _opened
    return _reply(opened.frames.end())


def _reply(portions: Iterator[Portion]) -> DecoderReply[FramesFacts]:
    facts: list[PortionFacts] = []
    arrays: list[NDArray[np.uint8]] = []
    for portion in portions:
        made = {stream: new for stream, new in portion.frames.items() if len(new)}
        facts.append(PortionFacts(view=portion.view, streams=list(made)))
        arrays += made.values()
    return DecoderReply(FramesFacts(portions=facts), arrays)


class FrameProcess:
    """What a process makes of the frames of one stream."""

    def __init__(self, process: StreamProcess) -> None:
        self._process = process

    def start(self, opening: Opening) -> None:
        """Return when frames may come; raises as `StreamProcess.start`."""
        self._spec = opening.request.spec
        self._process.start()
        self._process.call(_open, FramesFacts, opening)

    def take(self, moments: Sequence[Sampled[PackedFrame]]) -> list[Portion]:
        """Return what becomes of frames; raises as `LiveFrames.take`, and `ServiceError` where the process has died."""
        return self._portions(self._process.call(_take, FramesFacts, moments))

    def end(self) -> list[Portion]:
        """Return what waited for frames that do not come; raises as `take`."""
        return self._portions(self._process.call(_end, FramesFacts, None))

    def _portions(self, reply: DecoderReply[FramesFacts]) -> list[Portion]:
        arrays = iter(reply.arrays)
        return [
            Portion(self._process.frames(portion.streams, arrays, self._spec), portion.view)
            for portion in reply.facts.portions
        ]
