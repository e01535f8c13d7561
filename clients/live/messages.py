"""What is said over `/live`, as typed values, and how a frame is packed; docs/live.md has the whole contract."""

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import simplejpeg
import zstandard
from numpy.typing import NDArray

from clients.answers import Event as TimelineEvent
from clients.answers import Named, Score
from clients.errors import InputError, RefusedError, UnexpectedAnswerError

SUBPROTOCOL = "rgbd-motion.live.v1"

Stream = Literal["rgb", "depth"]
Frame = NDArray[np.uint8] | NDArray[np.uint16]
"""uint8 RGB [H, W, 3], or uint16 depth [H, W]."""

_HEADER = struct.Struct("<BBHQ")  # stream, encoding, 0, microseconds
_STREAMS = ("rgb", "depth")
_JPEG, _ZSTD = 1, 3  # of raw, jpeg, png, zstd
_JPEG_QUALITY = 90
_FASTEST = 1  # of zstd's levels: two thirds of the bytes that its best has, in a tenth of the time


@dataclass(frozen=True)
class Ready:
    """How the stream is looked at, in seconds; an answer comes no sooner than `lag_s` after its window."""

    session: str
    labels: tuple[str, ...]
    window_s: float
    interval_s: float
    step_s: float
    lag_s: float


@dataclass(frozen=True)
class View:
    """What is looked at from `time_s` on: `person`, 1 being the largest, in `box_px`; or, where `is_waiting`, nothing.

    `num_people` is None where nobody was looked for.
    """

    time_s: float
    is_waiting: bool
    num_people: int | None
    person: int | None
    box_px: tuple[int, int, int, int] | None
    was_prepared: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Dropped:
    """Frames that were not looked at: too many came, or the other stream's lacked."""

    late: int
    unpaired: int


@dataclass(frozen=True)
class Answer(Named):
    """What a window shows, from `start_s` to `end_s`; `lag_ms` after the last frame came that it rests on."""

    start_s: float
    end_s: float
    lag_ms: float
    dropped: Dropped


@dataclass(frozen=True)
class Event(TimelineEvent):
    """A motion that has begun, and goes on up to `end_s`, or, where `is_over`, has ended."""

    is_over: bool


@dataclass(frozen=True)
class Draining:
    """The service is being stopped: end the stream within so many seconds, or it is closed."""

    within_s: float


@dataclass(frozen=True)
class Ended:
    """All is said."""

    frames: int
    answers: int
    dropped: Dropped


Said = View | Answer | Event | Draining | Ended


def hello(sizes: Mapping[Stream, tuple[int, int]], **asked: Any) -> str:
    """Return the first message; what is None is left to the service."""
    streams = {stream: {"size": size} for stream, size in sizes.items()}
    told = {name: value for name, value in asked.items() if value is not None}
    return json.dumps({"type": "hello", "streams": streams, **told})


END = json.dumps({"type": "end"})
"""The last message."""


def pack(stream: Stream, time_s: float, frame: Frame) -> bytes:
    """Return a frame as it is sent: colour as JPEG, depth without loss; raises `InputError` for what is no frame."""
    if stream not in _STREAMS or time_s < 0:
        raise InputError(f"{stream}, {time_s!r} s: give rgb or depth, and seconds from 0 on")
    is_color = frame.ndim == 3 and frame.shape[2] == 3 and frame.dtype == np.uint8
    if not (is_color if stream == "rgb" else frame.ndim == 2 and frame.dtype == np.uint16):
        shape = "uint8 [H, W, 3]" if stream == "rgb" else "uint16 [H, W]"
        raise InputError(f"{stream}: a frame is {shape}, and this {frame.dtype} {list(frame.shape)}")
    whole = np.ascontiguousarray(frame)
    pixels: bytes
    if stream == "rgb":
        encoding, pixels = _JPEG, simplejpeg.encode_jpeg(whole, quality=_JPEG_QUALITY, colorspace="RGB")
    else:
        encoding, pixels = _ZSTD, zstandard.compress(whole.astype("<u2", copy=False).tobytes(), _FASTEST)
    return _HEADER.pack(_STREAMS.index(stream), encoding, 0, round(time_s * 1e6)) + pixels


def read_ready(text: str | bytes) -> Ready:
    """Return the answer to hello; raises as `read`."""
    body = _body(text)
    if body.get("type") != "ready":
        raise UnexpectedAnswerError(f"the service said {body.get('type')!r} instead of ready; check its version")
    names = ("session", "window_s", "interval_s", "step_s", "lag_s")
    return Ready(labels=tuple(body["labels"]), **{name: body[name] for name in names})


def read(text: str | bytes) -> Said | None:
    """Return what the service says; None for what only a newer one does.

    Raises `RefusedError` where it says why it closes the connection, and `UnexpectedAnswerError` for nonsense.
    """
    body = _body(text)
    kind = body.pop("type", None)
    try:
        return _READERS[kind](body) if kind in _READERS else None
    except (KeyError, TypeError) as error:
        raise UnexpectedAnswerError(f"the service said {kind} otherwise than expected ({error!r})") from error


def _body(text: str | bytes) -> dict[str, Any]:
    try:
        body = json.loads(text)
        problem = body["problem"] if body.get("type") == "problem" else None
    except (ValueError, AttributeError, KeyError) as error:
        raise UnexpectedAnswerError("what came is no message of /live; check the address") from error
    if problem is not None:
        raise RefusedError(problem["status"], problem["error"], problem["detail"], problem["request_id"])
    found: dict[str, Any] = body
    return found


def _view(body: dict[str, Any]) -> View:
    box = body["box_px"]
    known = _known(View, body)
    return View(**known | {"box_px": None if box is None else tuple(box), "warnings": tuple(body["warnings"])})


def _answer(body: dict[str, Any]) -> Answer:
    scores = tuple(Score(**_known(Score, score)) for score in body["predictions"])
    return Answer(**_known(Answer, body) | {"predictions": scores, "dropped": _dropped(body)})


def _ended(body: dict[str, Any]) -> Ended:
    return Ended(**_known(Ended, body) | {"dropped": _dropped(body)})


def _dropped(body: dict[str, Any]) -> Dropped:
    return Dropped(**_known(Dropped, body["dropped"]))


def _known(kind: Any, body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that a kind of message has; a newer service may say more."""
    return {field.name: body[field.name] for field in fields(kind)}


_READERS: dict[Any, Callable[[dict[str, Any]], Said]] = {
    "view": _view,
    "answer": _answer,
    "event": lambda body: Event(**_known(Event, body)),
    "draining": lambda body: Draining(**_known(Draining, body)),
    "ended": _ended,
}
