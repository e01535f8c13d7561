"""A whole recording, read in a process of its own, some frames a call.

What goes between it and the service is plain data, as for uploads.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from export.predictor.clip_request import ClipRequest
from export.predictor.streams.sampled_recording import Beginning, Ending, Read, read_sampled
from rgbd.types import Stream
from serve.live.stream_process import StreamProcess
from serve.uploads.ipc import DecoderReply


@dataclass(frozen=True)
class _Asked:
    request: ClipRequest
    window_s: float


class _BeginningFacts(BaseModel):
    beginning: Beginning


class _NextFacts(BaseModel):
    """A beginning anew, the streams of which there are frames, or the end."""

    item: Beginning | list[Stream] | Ending


_reading: list[Iterator[Read]] = []  # the one that a process is at work on


def _open(asked: _Asked) -> DecoderReply[_BeginningFacts]:
    _reading[:] = [read_sampled(asked.request, asked.window_s)]
    beginning = next(_reading[0])
    assert isinstance(beginning, Beginning)
    return DecoderReply(_BeginningFacts(beginning=beginning))


def _read_on(_: None) -> DecoderReply[_NextFacts]:
    item = next(_reading[0])
    if isinstance(item, Ending):
        _reading.clear()  # with the files that it has open
    if isinstance(item, Beginning | Ending):
        return DecoderReply(_NextFacts(item=item))
    return DecoderReply(_NextFacts(item=list(item)), list(item.values()))


def read_in(process: StreamProcess, request: ClipRequest, window_s: float) -> Iterator[Read]:
    """Yield what `read_sampled` yields in a process; raises as that does.

    Raises `ServiceError`, too, where the process dies, or answers nonsense.
    """
    process.start()
    yield process.call(_open, _BeginningFacts, _Asked(request, window_s)).facts.beginning
    while True:
        reply = process.call(_read_on, _NextFacts, None)
        item = reply.facts.item
        if isinstance(item, Beginning | Ending):
            yield item
        else:
            yield process.frames(item, iter(reply.arrays), request.spec)
