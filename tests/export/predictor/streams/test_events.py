"""Moments become events: what is short, weak or unknown is none, and nothing looks ahead."""

import numpy as np
import pytest

from export.predictor.streams.events import Event, EventRules, EventTracker, Moment
from rgbd.clip.rejection import BACKGROUND_CLASS

LABELS = ("wave", "squat", BACKGROUND_CLASS)
RULES = EventRules(begin=0.4, keep=0.1)  # of three classes: probabilities of 0.6 and 0.4


def events(scores: list[tuple[float, ...]], confidence: float | None = 0.5, num_smoothed: int = 1) -> list[Event]:
    tracker = EventTracker(LABELS, RULES, num_smoothed)
    found = [tracker.add(Moment(float(at), np.array(row), confidence)) for at, row in enumerate(scores)]
    return [event for event in (*found, tracker.end()) if event is not None]


def test_a_motion_lasts_while_it_stays_likely() -> None:
    likely, less, gone = (0.7, 0.2, 0.1), (0.45, 0.5, 0.05), (0.3, 0.3, 0.4)
    (event,) = events([gone, likely, less, less, gone])
    assert (event.label, event.index, event.start_s, event.end_s) == ("wave", 0, 1.0, 3.0)
    assert event.score == 0.7 and event.confidence == 0.5 and event.is_over


def test_one_motion_may_follow_another_at_once() -> None:
    wave, squat = (0.9, 0.1, 0.0), (0.1, 0.9, 0.0)
    found = events([wave, wave, squat, squat])
    assert [(event.label, event.start_s, event.end_s) for event in found] == [("wave", 0, 1), ("squat", 2, 3)]


@pytest.mark.parametrize(
    ("row", "confidence"),
    [((0.5, 0.3, 0.2), 0.5), ((0.9, 0.1, 0.0), 0.01), ((0.1, 0.0, 0.9), 0.5)],
    ids=["unlikely", "unknown", "background"],
)
def test_what_is_no_event(row: tuple[float, ...], confidence: float) -> None:
    assert events([row] * 5, confidence=confidence) == []


def test_where_nothing_is_fitted_all_is_known() -> None:
    (event,) = events([(0.9, 0.1, 0.0)] * 2, confidence=None)
    assert event.confidence is None


def test_a_single_slip_is_smoothed_away() -> None:
    wave, slip = (0.9, 0.1, 0.0), (0.1, 0.9, 0.0)
    (event,) = events([wave, wave, slip, wave, wave], num_smoothed=3)
    assert (event.label, event.start_s, event.end_s) == ("wave", 0.0, 3.0)  # the last three are around 3


def test_what_goes_on_is_told_before_it_ends() -> None:
    tracker = EventTracker(LABELS, RULES, 1)
    assert tracker.going_on is None
    assert tracker.add(Moment(0.0, np.array([0.9, 0.1, 0.0]), None)) is None
    assert tracker.going_on is not None and not tracker.going_on.is_over


def test_what_is_as_likely_as_chance_is_no_event_however_few_classes_there_are() -> None:
    rules = EventRules(begin=0.3, keep=0.2)
    for num in (2, 3, 100):
        tracker = EventTracker(tuple(f"motion {number}" for number in range(num)), rules, 1)
        sure, chance = np.eye(num)[0], np.full(num, 1 / num)
        assert tracker.add(Moment(0.0, chance, None)) is None and tracker.going_on is None
        tracker.add(Moment(1.0, sure, None))
        ended = tracker.add(Moment(2.0, chance, None))
        assert ended is not None and ended.end_s == 1.0
