"""What the windows of a stream say, one after another, in seconds."""

from collections.abc import Sequence

from export.predictor.answer import answering_head, name_motion
from export.predictor.model import Model
from export.predictor.results import Window
from export.predictor.streams.events import Event, EventRules, EventTracker, Moment
from export.predictor.streams.pace import Pace
from export.predictor.streams.sliding import SlidWindow
from rgbd.types import Stream


class StreamAnswers:
    """Names each window, and tells the events in them.

    given: the streams that there are. start_s: when the first sampled frame was taken.
    """

    def __init__(
        self,
        model: Model,
        given: Sequence[Stream],
        rules: EventRules,
        start_s: float,
        pace: Pace,
        top_k: int = 1,
    ) -> None:
        self._model, self._accepted, self._top_k = model, rules.accepted, top_k
        self._head = answering_head(model, given)
        self._start_s, self._interval_s = start_s, pace.interval_s
        num_smoothed = max(1, round(rules.smoothing * pace.window_s / pace.step_s))
        self._tracker = EventTracker(model.bundle.manifest.labels, rules, num_smoothed)

    def take(self, slid: SlidWindow) -> tuple[Window, tuple[Event, ...]]:
        """Return what the next window shows, and the events that it ends and begins, in this order."""
        scores = slid.outputs[self._head]
        named = name_motion(self._model, self._head, scores[None], self._accepted, self._top_k)
        start_s = self._start_s + slid.first * self._interval_s
        end_s = start_s + self._model.bundle.manifest.clip_spec.num_frames * self._interval_s
        moment = Moment((start_s + end_s) / 2, self._model.probabilities(scores), named.confidence)
        return Window(**vars(named), start=start_s, end=end_s), self._told(moment)

    def _told(self, moment: Moment) -> tuple[Event, ...]:
        before = self._tracker.going_on
        ended = self._tracker.add(moment)
        now = self._tracker.going_on
        begun = now if before is None or ended is not None else None
        return tuple(event for event in (ended, begun) if event is not None)

    def end(self) -> Event | None:
        """Return the event that ends with the stream."""
        return self._tracker.end()
