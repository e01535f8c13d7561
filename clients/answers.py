"""The service's answer as typed values."""

from dataclasses import dataclass
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
class Clip:
    """What was seen: frames that arrived in each stream (None for a stream not sent) and frames that were sampled.

    `aligned_by` says how two streams were brought together: by "time", or by "index" where no times are known.
    """

    rgb_frames: int | None
    depth_frames: int | None
    sampled: int
    duration_s: float | None
    aligned_by: str


@dataclass(frozen=True)
class Window:
    """One part of a long clip, from `start` to `end`: in seconds, or frame numbers where no times are known."""

    start: float
    end: float
    predictions: tuple[Score, ...]


@dataclass(frozen=True)
class Prediction:
    """The answer to one clip; `predictions` and each of `streams` hold the most probable label first.

    `windows` has the parts of a clip that was asked for in several.
    """

    request_id: str
    model: Model
    predictions: tuple[Score, ...]
    streams: dict[str, tuple[Score, ...]]
    windows: tuple[Window, ...]
    clip: Clip
    timing_ms: dict[str, float]
    warnings: tuple[str, ...]


def parse_prediction(body: Any) -> Prediction:
    """Return the answer that the JSON `body` of POST /predict holds.

    Fields of a newer service are passed over; of an older one, what may be null or empty may be missing. Raises
    `UnexpectedAnswerError` when other fields are.
    """
    try:
        streams = body.get("streams", {})
        return Prediction(
            request_id=body["request_id"],
            model=_pick(Model, body["model"]),
            predictions=_scores(body["predictions"]),
            streams={name: _scores(streams[name]) for name in _STREAMS if name in streams},
            windows=tuple(
                Window(window["start"], window["end"], _scores(window["predictions"]))
                for window in body.get("windows", ())
            ),
            clip=_pick(Clip, body["clip"]),
            timing_ms={name: ms for name, ms in body.get("timing_ms", {}).items() if isinstance(ms, int | float)},
            warnings=tuple(body.get("warnings", ())),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswerError(
            f"the answer is not one of this service ({type(error).__name__}: {error}); check the address and version"
        ) from error


def _scores(items: list[Any]) -> tuple[Score, ...]:
    return tuple(_pick(Score, item) for item in items)


def _pick(record: type[_Record], body: Any) -> _Record:
    kinds = record.__annotations__.items()
    return record(**{name: body.get(name) if NoneType in get_args(kind) else body[name] for name, kind in kinds})
