"""The wire contract of `/live`: every message, both ways, and how a frame is packed.

The client opens a WebSocket with the subprotocol `rgbd-motion.live.v1`, beside which a browser gives its key as
`bearer.KEY`, and says `hello`; the service says `ready`. From
then on each binary message of the client is a frame, and the service says what it sees as soon as it is known. `end`
has it say the rest, then `ended`, and close. Times are those of the client's time stamps, in seconds.
"""

import struct
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from export.predictor.decoded_clip import LiveChoice
from export.predictor.streams.events import MOST_SMOOTHING, EventRules
from rgbd.camera.sensors import SENSOR_NAMES
from rgbd.clip.rejection import LEAST_ACCEPTED, MOST_ACCEPTED
from rgbd.types import Stream
from serve.errors import MalformedRequestError
from serve.schemas import EventReply, Intrinsics, ModelReply, NamedReply, Problem

SUBPROTOCOL = "rgbd-motion.live.v1"

Encoding = Literal["raw", "jpeg", "png", "zstd"]
"""How a frame's pixels are packed: `raw`, row by row, colour as RGB, 3 bytes a pixel, depth 2 bytes, little-endian;
`zstd`: those bytes, compressed by Zstandard; `jpeg`, colour alone; `png`, of 8-bit colour or one channel of 16 bits."""

HEADER = struct.Struct("<BBHQ")
"""Before the pixels: the number of the stream (0 colour, 1 depth), that of the encoding in the order above, 0, and the
time stamp in microseconds; little-endian, 12 bytes."""

STREAMS: tuple[Stream, ...] = get_args(Stream)
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)

_Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
_Side = Annotated[int, Field(ge=1, le=16384)]


class PackedFrame(NamedTuple):
    """A frame as it came: its stream, its encoding, its time stamp, and its packed pixels."""

    stream: Stream
    encoding: Encoding
    time_us: int
    payload: bytes


def unpack(message: bytes) -> PackedFrame:
    """Return the frame that a binary message is; raises `MalformedRequestError` where it is none."""
    if len(message) <= HEADER.size:
        raise MalformedRequestError(f"a frame has a header of {HEADER.size} bytes, and pixels; this has {len(message)}")
    stream, encoding, reserved, time_us = HEADER.unpack_from(message)
    if stream >= len(STREAMS) or encoding >= len(ENCODINGS) or reserved:
        raise MalformedRequestError(
            f"a frame's header begins with stream 0 or 1, encoding 0 to {len(ENCODINGS) - 1}, and 0; this with "
            f"{stream}, {encoding}, and {reserved}"
        )
    return PackedFrame(STREAMS[stream], ENCODINGS[encoding], time_us, message[HEADER.size :])


class AnnouncedStream(BaseModel):
    """A stream that the client will send: the size of its frames, (width, height)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: tuple[_Side, _Side]


class Hello(BaseModel):
    """The first message: what will be sent, and what is asked about it.

    `model` and `version` choose among those that are served. `window_s`: how long windows are (as the clips are that
    the model was trained on). `every`: an answer comes every so many sampled frames (eight in a window). `people`: whom
    it is about, or a number, 1 being the largest; `whole`: whole frames, nobody is looked for. `begin`, `keep`,
    `smoothing`: when a motion begins and goes on, from chance to certainty, on average over so much of a window.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["hello"]
    streams: dict[Stream, AnnouncedStream] = Field(min_length=1)
    model: str | None = None
    version: str | None = None
    window_s: float | None = Field(None, gt=0, allow_inf_nan=False)
    every: int | None = Field(None, ge=1)
    top_k: int = Field(5, ge=1, le=1000)
    people: LiveChoice | Annotated[int, Field(ge=1)] | None = None
    prepared: bool | None = None
    depth_scale_mm: float | None = Field(None, gt=0, allow_inf_nan=False)
    camera: str | None = Field(None, max_length=64, description=f"the depth camera: {', '.join(SENSOR_NAMES)}")
    intrinsics: Intrinsics | None = None
    accepted: float = Field(EventRules.accepted, ge=LEAST_ACCEPTED, le=MOST_ACCEPTED)
    begin: _Share = EventRules.begin
    keep: _Share = EventRules.keep
    smoothing: float = Field(EventRules.smoothing, ge=0, le=MOST_SMOOTHING, allow_inf_nan=False)


class End(BaseModel):
    """No more frames come; what waits is answered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["end"]


ClientMessage = Annotated[Hello | End, Field(discriminator="type")]

_CLIENT: TypeAdapter[Hello | End] = TypeAdapter(ClientMessage)


def parse(text: str) -> Hello | End:
    """Return what a client says; raises `MalformedRequestError` where it is none of the messages."""
    try:
        return _CLIENT.validate_json(text)
    except ValidationError as error:
        reasons = (f"{'.'.join(map(str, item['loc'])) or 'message'}: {item['msg']}" for item in error.errors())
        raise MalformedRequestError("; ".join(reasons)) from error


class Ready(BaseModel):
    """Frames may come now.

    `interval_s`: from one sampled frame to the next; `step_s`: from one answer to the next; `lag_s`: an answer comes no
    sooner than that after the last frame of its window, which the graph's own lag is part of.
    """

    type: Literal["ready"] = "ready"
    session: str
    model: ModelReply
    labels: tuple[str, ...]
    window_s: float
    interval_s: float
    step_s: float
    lag_s: float


class ViewMessage(BaseModel):
    """What is looked at from `time_s` on; no window reaches over it.

    `is_waiting`: nothing is, because nobody is in view who was asked for. `num_people`: how many were found; null where
    nobody was looked for. `box_px`: (x0, y0, x1, y1) of the frames of colour, or of depth alone.
    """

    type: Literal["view"] = "view"
    time_s: float
    is_waiting: bool
    num_people: int | None
    person: int | None
    box_px: tuple[int, int, int, int] | None
    was_prepared: bool
    warnings: list[str]


class Dropped(BaseModel):
    """Frames that were not looked at, since the beginning: too many came, or the other stream's lacked."""

    late: int
    unpaired: int


class AnswerMessage(NamedReply):
    """What a window shows, from `start_s` to `end_s`. `lag_ms`: since the last frame came that it rests on."""

    type: Literal["answer"] = "answer"
    start_s: float
    end_s: float
    lag_ms: float
    dropped: Dropped


class EventMessage(EventReply):
    """A motion that has begun, and goes on up to now, or, where `is_over`, has ended."""

    type: Literal["event"] = "event"


class Draining(BaseModel):
    """The service is being stopped: say `end` within so many seconds, or the connection is closed."""

    type: Literal["draining"] = "draining"
    within_s: float


class Ended(BaseModel):
    """All is said; the connection is closed."""

    type: Literal["ended"] = "ended"
    frames: int
    answers: int
    dropped: Dropped


class ProblemMessage(BaseModel):
    """Why the connection is closed: a problem, as an HTTP request is answered with."""

    type: Literal["problem"] = "problem"
    problem: Problem


ServerMessage = Ready | ViewMessage | AnswerMessage | EventMessage | Draining | Ended | ProblemMessage
