"""A long recording -> what happens in it, and when: as a stream that comes as fast as it can be computed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from export.predictor.clip_request import ClipRequest
from export.predictor.model import Model
from export.predictor.results import Window
from export.predictor.streams.answers import StreamAnswers
from export.predictor.streams.events import Event, EventRules
from export.predictor.streams.pace import default_pace
from export.predictor.streams.sampled_recording import Beginning, Ending, Read, read_sampled
from export.predictor.streams.sliding import Frames, Slider, SlidWindow, with_black
from rgbd.types import Box

Progress = Callable[[int, int], None]
"""Is told how many sampled frames of each stream are looked at, of how many."""


@dataclass(frozen=True)
class TimelineRules:
    """What is said of a recording's windows: how many classes are named of each, and what makes events of them."""

    top_k: int = 5
    events: EventRules = field(default_factory=EventRules)


@dataclass(frozen=True)
class Timeline:
    """What happens in a recording of `duration_s`, by windows of `window_s` that begin every `step_s`.

    person: whom it is about, 1 being the largest; None: all that is there. box_px: what was cut out of every frame,
    (x0, y0, x1, y1), half-open; None where that changes, or nothing was cut. warnings: sentences about what should be
    looked at.
    """

    duration_s: float
    window_s: float
    step_s: float
    person: int | None
    box_px: Box | None
    events: tuple[Event, ...]
    windows: tuple[Window, ...]
    warnings: tuple[str, ...]


def read_timeline(
    model: Model,
    slider: Slider[Any],
    request: ClipRequest,
    window_s: float,
    rules: TimelineRules,
    progress: Progress | None = None,
) -> Timeline:
    """Return what a recording shows, and when; raises `MediaError` where it cannot be used, `UserError` otherwise.

    slider: what answers streams with the model. window_s: how long windows are.
    """
    return make_timeline(model, slider, rules, read_sampled(request, window_s), progress)


def make_timeline(
    model: Model, slider: Slider[Any], rules: TimelineRules, read: Iterable[Read], progress: Progress | None = None
) -> Timeline:
    """Return what is shown by what is read of a recording, as `read_sampled` yields it; raises as that does."""
    windows: _Windows | None = None
    for item in read:
        if isinstance(item, Beginning):
            windows = _Windows(model, slider, rules, item)
            continue
        assert windows is not None  # nothing comes before the beginning
        if isinstance(item, Ending):
            return windows.timeline(item)
        windows.add(item)
        if progress is not None:
            progress(windows.num_seen, windows.num_frames)
    raise AssertionError("a recording has an end")


class _Windows:
    """What the windows of a recording show, as far as it has come."""

    def __init__(self, model: Model, slider: Slider[Any], rules: TimelineRules, beginning: Beginning) -> None:
        self._model, self._slider, self._beginning = model, slider, beginning
        self._pace = default_pace(model.bundle.manifest.clip_spec.num_frames, beginning.interval_s)
        self._state = slider.begin(self._pace.every)
        self._answers = StreamAnswers(model, beginning.given, rules.events, beginning.start_s, self._pace, rules.top_k)
        self._windows: list[Window] = []
        self._events: list[Event] = []
        self.num_frames, self.num_seen = beginning.num_frames, 0

    def add(self, frames: Frames) -> None:
        """Look at the next sampled frames."""
        (slid,) = self._slider.add([(self._state, with_black(frames, self._model.streams))])
        self._take(slid)
        self.num_seen += len(next(iter(frames.values())))

    def timeline(self, ending: Ending) -> Timeline:
        """Return what all of it shows."""
        self._take(self._slider.end(self._state))
        if (last := self._answers.end()) is not None:
            self._events.append(last)
        beginning, subject = self._beginning, ending.subject
        return Timeline(
            duration_s=round(beginning.duration_s, 6),
            window_s=self._pace.window_s,
            step_s=self._pace.step_s,
            person=subject.person,
            box_px=subject.box_px,
            events=tuple(self._events),
            windows=tuple(self._windows),
            warnings=tuple(ending.warnings),
        )

    def _take(self, slid: Iterable[SlidWindow]) -> None:
        for window, events in map(self._answers.take, slid):
            self._windows.append(window)
            self._events += (event for event in events if event.is_over)
