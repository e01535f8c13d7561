"""From what each window of a stream shows to events: what begins, what it is, and when it ends."""

from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from export.predictor.arguments import check_accepted, is_finite, shown
from rgbd.clip.rejection import BACKGROUND_CLASS, DEFAULT_ACCEPTED, is_accepted
from rgbd.errors import UserError

MOST_SMOOTHING = 10
"""Windows' lengths."""


@dataclass(frozen=True)
class EventRules:
    """When a motion counts as begun, and as ended.

    A class begins when its probability reaches `begin`, and the motion is one that the model has learnt; it goes on
    while that stays at `keep` or above. Both count from chance, at which all classes are as probable, to certainty, and
    are of the mean over the windows that began within the last `smoothing` of a window's length. accepted: the share of
    known motions that are to be taken for known. Where a bundle does not say what is familiar, all is known.

    Raises `UserError` for what makes no sense.
    """

    begin: float = 0.5  # these by python -m benchmarks.event_rules
    keep: float = 0.1
    smoothing: float = 0.6
    accepted: float = DEFAULT_ACCEPTED

    def __post_init__(self) -> None:
        if not (is_finite(self.begin) and is_finite(self.keep) and 0 < self.keep <= self.begin <= 1):
            raise UserError(
                f"begin {shown(self.begin)}, keep {shown(self.keep)}: give shares above 0 and up to 1, begin no lower "
                "than keep"
            )
        if not (is_finite(self.smoothing) and 0 <= self.smoothing <= MOST_SMOOTHING):
            raise UserError(f"smoothing {shown(self.smoothing)}: give 0 to {MOST_SMOOTHING} times a window's length")
        check_accepted(self.accepted)


@dataclass(frozen=True)
class Moment:
    """What one window shows: when its middle is, in seconds, the classes' probabilities [N], and how familiar it is."""

    time_s: float
    probabilities: NDArray[np.float64]
    confidence: float | None


@dataclass(frozen=True)
class Event:
    """A motion, from the first to the last moment at which it was seen.

    label, index: its class, and the place of that among the model's labels. score, confidence: the highest of any
    moment. is_over: whether it has ended.
    """

    label: str
    index: int
    start_s: float
    end_s: float
    score: float
    confidence: float | None
    is_over: bool = False


class EventTracker:
    """Finds events in moments, which come one after another; it knows nothing of those to come.

    num_smoothed: how many of them count together.
    """

    def __init__(self, labels: tuple[str, ...], rules: EventRules, num_smoothed: int) -> None:
        self._labels, self._accepted = labels, rules.accepted
        chance = 1 / len(labels)
        self._begin_at, self._keep_at = (chance + (1 - chance) * share for share in (rules.begin, rules.keep))
        self._recent: deque[Moment] = deque(maxlen=num_smoothed)
        self._event: Event | None = None

    @property
    def going_on(self) -> Event | None:
        """The event that has begun and not ended."""
        return self._event

    def add(self, moment: Moment) -> Event | None:
        """Take a moment; returns the event that it ends."""
        self._recent.append(moment)
        smooth = self._smooth()
        ended = self._go_on(smooth)
        if self._event is None:
            self._begin(smooth)
        return ended

    def end(self) -> Event | None:
        """Return the event that ends with the stream."""
        self._recent.clear()
        return self._ended()

    def _smooth(self) -> Moment:
        known = [moment.confidence for moment in self._recent if moment.confidence is not None]
        return Moment(
            time_s=float(np.mean([moment.time_s for moment in self._recent])),
            probabilities=np.mean([moment.probabilities for moment in self._recent], axis=0),
            confidence=float(np.mean(known)) if known else None,
        )

    def _go_on(self, moment: Moment) -> Event | None:
        """Let the event go on to this moment, or return it, ended before."""
        event = self._event
        if event is None:
            return None
        score = float(moment.probabilities[event.index])
        if score < self._keep_at:
            return self._ended()
        confidence = None if moment.confidence is None else max(moment.confidence, event.confidence or 0.0)
        self._event = replace(event, end_s=moment.time_s, score=max(score, event.score), confidence=confidence)
        return None

    def _ended(self) -> Event | None:
        event, self._event = self._event, None
        return None if event is None else replace(event, is_over=True)

    def _begin(self, moment: Moment) -> None:
        index = int(moment.probabilities.argmax())
        label, score = self._labels[index], float(moment.probabilities[index])
        is_known = moment.confidence is None or is_accepted(moment.confidence, self._accepted)
        if score >= self._begin_at and is_known and label != BACKGROUND_CLASS:
            self._event = Event(label, index, moment.time_s, moment.time_s, score, moment.confidence)
