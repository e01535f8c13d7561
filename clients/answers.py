"""The service's answer as typed values."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, TypeVar, get_args

from clients.errors import UnexpectedAnswerError

_Record = TypeVar("_Record")
_STREAMS = ("rgb", "depth")


@dataclass(frozen=True)
class Score:
    """One label with its probability in [0, 1]; `index` is its place among the model's labels."""

    label: str
    index: int
    score: float


@dataclass(frozen=True)
class Model:
    """What answered."""

    name: str
    version: str
    modality: str
    runtime: str
    device: str
    precision: str


@dataclass(frozen=True)
class Preparation:
    """What was done to the recording before clips were cut from it: nothing where `was_prepared`.

    `decided_by` says what told that. `box_px`, (x0, y0, x1, y1), was cut out of frames of `frame_size` for the `person`
    whom the answer is about, None for all of the `num_people` that were found.
    """

    was_prepared: bool
    decided_by: str
    frame_size: tuple[int, int]
    person: int | None
    num_people: int | None
    box_px: tuple[int, int, int, int] | None
    mask_coverage: float | None
    masks: str | None
    registration: str | None
    depth_camera: str | None


@dataclass(frozen=True)
class Clip:
    """What was seen: frames that arrived in each stream (None for a stream not sent) and frames that were sampled.

    `aligned_by` says how two streams were brought together: by "time", or by "index" where no times are known.
    `preparation` is None where an older service answered.
    """

    rgb_frames: int | None
    depth_frames: int | None
    sampled: int
    duration_s: float | None
    aligned_by: str
    preparation: Preparation | None


@dataclass(frozen=True)
class Named:
    """What a motion is named, the most probable label first, and whether it is one that the model has learnt.

    `confidence` is the share of clips of motions that it has learnt which look less familiar to it; where `known` is
    False, the labels are only what comes nearest. Both are None where the model, or an older service, does not tell.
    """

    predictions: tuple[Score, ...]
    known: bool | None
    confidence: float | None


@dataclass(frozen=True)
class Person(Named):
    """What one of several people does, by what was cut out for them; 1 is the person of whom most is seen."""

    person: int
    box_px: tuple[int, int, int, int] | None


@dataclass(frozen=True)
class Window(Named):
    """One part of a long clip, from `start` to `end`: in seconds, or frame numbers where no times are known."""

    start: float
    end: float


@dataclass(frozen=True)
class Prediction(Named):
    """The answer to one clip; each of `streams` holds the most probable label first, too.

    `windows` has the parts of a clip that was asked for in several, `people` the answers about each person.
    """

    request_id: str
    model: Model
    streams: dict[str, tuple[Score, ...]]
    windows: tuple[Window, ...]
    people: tuple[Person, ...]
    clip: Clip
    timing_ms: dict[str, float]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Event:
    """A motion in a recording, from the first to the last moment at which it was seen, in seconds.

    `score` and `confidence` are the highest of any moment; `confidence` is None where the model does not tell.
    """

    label: str
    index: int
    start_s: float
    end_s: float
    score: float
    confidence: float | None


@dataclass(frozen=True)
class Timeline:
    """What happens in a recording of `duration_s`, by windows of `window_s` that begin every `step_s`.

    `person` is whom it is about, 1 being the largest, None for all that is there; `box_px`, (x0, y0, x1, y1), what was
    cut out of every frame, None where that changes or nothing was cut.
    """

    request_id: str
    model: Model
    duration_s: float
    window_s: float
    step_s: float
    person: int | None
    box_px: tuple[int, int, int, int] | None
    events: tuple[Event, ...]
    windows: tuple[Window, ...]
    warnings: tuple[str, ...]


def parse_prediction(body: Any) -> Prediction:
    """Return the answer that the JSON `body` of POST /predict holds.

    Fields of a newer service are passed over; of an older one, what may be null or empty may be missing. Raises
    `UnexpectedAnswerError` when other fields are.
    """
    with _understood():
        streams = body.get("streams", {})
        return Prediction(
            request_id=body["request_id"],
            model=_pick(Model, body["model"]),
            **_named(body),
            streams={name: _scores(streams[name]) for name in _STREAMS if name in streams},
            windows=_windows(body),
            people=tuple(
                Person(**_named(person), person=person["person"], box_px=_box(person.get("box_px")))
                for person in body.get("people", ())
            ),
            clip=_clip(body["clip"]),
            timing_ms={name: ms for name, ms in body.get("timing_ms", {}).items() if isinstance(ms, int | float)},
            warnings=tuple(body.get("warnings", ())),
        )


def parse_timeline(body: Any) -> Timeline:
    """Return the time line that the JSON `body` of POST /timeline holds; raises as `parse_prediction`."""
    with _understood():
        return Timeline(
            request_id=body["request_id"],
            model=_pick(Model, body["model"]),
            duration_s=body["duration_s"],
            window_s=body["window_s"],
            step_s=body["step_s"],
            person=body.get("person"),
            box_px=_box(body.get("box_px")),
            events=tuple(_pick(Event, event) for event in body["events"]),
            windows=_windows(body),
            warnings=tuple(body.get("warnings", ())),
        )


@contextmanager
def _understood() -> Iterator[None]:
    """Raise `UnexpectedAnswerError` where the block does not find in an answer what is in those of the service."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswerError(
            f"the answer is not one of this service ({type(error).__name__}: {error}); check the address and version"
        ) from error


def _windows(body: Any) -> tuple[Window, ...]:
    return tuple(
        Window(**_named(window), start=window["start"], end=window["end"]) for window in body.get("windows", ())
    )


def _named(body: Any) -> dict[str, Any]:
    return {
        "predictions": _scores(body["predictions"]),
        "known": body.get("known"),
        "confidence": body.get("confidence"),
    }


def _clip(body: Any) -> Clip:
    clip, preparation = _pick(Clip, body), body.get("preparation")
    return replace(clip, preparation=None if preparation is None else _preparation(preparation))


def _preparation(body: Any) -> Preparation:
    width, height = body["frame_size"]
    return replace(_pick(Preparation, body), frame_size=(width, height), box_px=_box(body.get("box_px")))


def _box(corners: Any) -> tuple[int, int, int, int] | None:
    if corners is None:
        return None
    x0, y0, x1, y1 = corners
    return x0, y0, x1, y1


def _scores(items: list[Any]) -> tuple[Score, ...]:
    return tuple(_pick(Score, item) for item in items)


def _pick(record: type[_Record], body: Any) -> _Record:
    kinds = record.__annotations__.items()
    return record(**{name: body.get(name) if NoneType in get_args(kind) else body[name] for name, kind in kinds})
