"""The process of one live stream: there its frames are unpacked, people found, and the network's input made.

What goes between it and the service is plain data, as for uploads.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from export.predictor.clip_request import ClipRequest
from export.predictor.streams.first_look import View
from export.predictor.streams.live_frames import LiveFrames, Portion
from rgbd.types import Size, Stream
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
    """What becomes of frames, and how many in all have waited in vain for those of the other stream."""

    portions: list[PortionFacts] = []
    num_unpaired: int = 0


@dataclass(frozen=True)
class _Opened:
    frames: LiveFrames
    sizes: dict[Stream, Size]


_opened: list[_Opened] = []  # the one that a process is at work on


def _open(opening: Opening) -> DecoderReply[FramesFacts]:
    frames = LiveFrames(opening.request, tuple(opening.sizes), opening.interval_s)
    _opened[:] = [_Opened(frames, opening.sizes)]
    return DecoderReply(FramesFacts())


def _add(packed: Sequence[PackedFrame]) -> DecoderReply[FramesFacts]:
    (opened,) = _opened
    frames = (
        (item.stream, item.time_us / 1e6, partial(decode_frame, item, opened.sizes[item.stream])) for item in packed
    )
    return _reply(opened.frames, (portion for frame in frames for portion in opened.frames.add(*frame)))


def _end(_: None) -> DecoderReply[FramesFacts]:
    (opened,) = _opened
    return _reply(opened.frames, opened.frames.end())


def _reply(frames: LiveFrames, portions: Iterator[Portion]) -> DecoderReply[FramesFacts]:
    facts: list[PortionFacts] = []
    arrays: list[NDArray[np.uint8]] = []
    for portion in portions:
        made = {stream: new for stream, new in portion.frames.items() if len(new)}
        facts.append(PortionFacts(view=portion.view, streams=list(made)))
        arrays += made.values()
    return DecoderReply(FramesFacts(portions=facts, num_unpaired=frames.num_unpaired), arrays)


class FrameProcess:
    """What a process makes of the frames of one stream."""

    def __init__(self, process: StreamProcess) -> None:
        self._process = process
        self.num_unpaired = 0

    def start(self, opening: Opening) -> None:
        """Return when frames may come; raises as `StreamProcess.start`."""
        self._spec = opening.request.spec
        self._process.start()
        self._process.call(_open, FramesFacts, opening)

    def add(self, packed: Sequence[PackedFrame]) -> list[Portion]:
        """Return what becomes of frames; raises as `LiveFrames.add`, and `ServiceError` where the process has died."""
        return self._portions(self._process.call(_add, FramesFacts, packed))

    def end(self) -> list[Portion]:
        """Return what waited for frames that do not come; raises as `add`."""
        return self._portions(self._process.call(_end, FramesFacts, None))

    def _portions(self, reply: DecoderReply[FramesFacts]) -> list[Portion]:
        self.num_unpaired = reply.facts.num_unpaired
        arrays = iter(reply.arrays)
        return [
            Portion(self._process.frames(portion.streams, arrays, self._spec), portion.view)
            for portion in reply.facts.portions
        ]
