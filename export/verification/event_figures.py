"""How well events are found in recordings of which is known what they show: figures of several recordings together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_STEP_S = 0.02  # of what is counted moment by moment


@dataclass(frozen=True)
class Span:
    """A class from `start_s` to `end_s`; its index, or -1 for what the model does not know."""

    label: int
    start_s: float
    end_s: float

    def overlap(self, other: "Span") -> float:
        """Return the time that both have, over the time that either has."""
        both = min(self.end_s, other.end_s) - max(self.start_s, other.start_s)
        either = max(self.end_s, other.end_s) - min(self.start_s, other.start_s)
        return max(0.0, both) / either if either > 0 else 0.0


@dataclass(frozen=True)
class Found(Span):
    """An event that was found, and when it was told first."""

    told_s: float


@dataclass
class EventFigures:
    """Counts over recordings: of motions that are known and not, those that were found, and what else was."""

    num_known: int = 0
    num_unknown: int = 0
    num_found: int = 0
    num_detected: int = 0
    num_unknown_named: int = 0
    hours: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    taken_for: Counter[tuple[int, int]] = field(default_factory=Counter)
    jaccards: list[float] = field(default_factory=list)

    def add(self, shown: Sequence[Span], found: Sequence[Found], duration_s: float, least_overlap: float) -> None:
        """Count one recording; a motion is detected by an event of its class that overlaps with it by so much."""
        self.hours += duration_s / 3600
        self.num_found += len(found)
        for span in shown:
            inside = [event for event in found if event.start_s < span.end_s and event.end_s > span.start_s]
            if span.label < 0:
                self.num_unknown += 1
                self.num_unknown_named += bool(inside)
                continue
            self.num_known += 1
            right = [e for e in inside if e.label == span.label and e.overlap(span) >= least_overlap]
            if right:
                self.num_detected += 1
                self.latencies_s.append(min(event.told_s for event in right) - span.start_s)
            elif inside:
                longest = max(inside, key=span.overlap)
                if longest.label != span.label:
                    self.taken_for[span.label, longest.label] += 1
        self.jaccards.append(mean_jaccard(shown, found, duration_s))

    @property
    def detected(self) -> float:
        """The share of known motions that were detected."""
        return self.num_detected / max(self.num_known, 1)

    @property
    def false_alarms_per_hour(self) -> float:
        """How many events an hour detected nothing."""
        return (self.num_found - self.num_detected) / self.hours

    @property
    def latency_s(self) -> float | None:
        """The median time from the start of a motion until it was told; None where none was."""
        return float(np.median(self.latencies_s)) if self.latencies_s else None

    @property
    def jaccard(self) -> float:
        """The mean of `mean_jaccard`."""
        return float(np.mean(self.jaccards))


def mean_jaccard(shown: Sequence[Span], found: Sequence[Span], duration_s: float) -> float:
    """Return the Jaccard index of a recording: the mean over the known classes that are shown or found.

    Source: Wan et al. 2016, "ChaLearn Looking at People RGB-D Isolated and Continuous Datasets for Gesture Recognition"
    (CVPR workshops).
    """
    labels = {span.label for span in (*shown, *found) if span.label >= 0}
    shares = []
    for label in labels:
        is_shown, is_found = (_moments(spans, label, duration_s) for spans in (shown, found))
        either = np.count_nonzero(is_shown | is_found)
        shares.append(np.count_nonzero(is_shown & is_found) / either if either else 0.0)
    return float(np.mean(shares)) if shares else 1.0


def _moments(spans: Sequence[Span], label: int, duration_s: float) -> NDArray[np.bool_]:
    times_s = np.arange(_STEP_S / 2, duration_s, _STEP_S)
    shown = np.zeros(len(times_s), np.bool_)
    for span in spans:
        if span.label == label:
            shown |= (times_s >= span.start_s) & (times_s < span.end_s)
    return shown
