"""What is counted of events: detections, false alarms, latency, confusion, and the Jaccard index."""

import pytest

from export.verification.event_figures import EventFigures, Found, Span, mean_jaccard


def counted(shown: list[Span], found: list[Found], duration_s: float = 60.0) -> EventFigures:
    figures = EventFigures()
    figures.add(shown, found, duration_s, least_overlap=0.5)
    return figures


def test_a_motion_is_detected_by_an_event_of_its_class_that_overlaps() -> None:
    figures = counted([Span(0, 10, 12), Span(1, 20, 22)], [Found(0, 10.5, 12, 12.5), Found(1, 21.5, 24, 25)])
    assert (figures.detected, figures.false_alarms_per_hour) == (0.5, 60.0)
    assert figures.latency_s == 2.5


def test_what_a_motion_is_taken_for() -> None:
    figures = counted([Span(0, 10, 12)], [Found(1, 10, 11, 11), Found(2, 11, 11.5, 12)])
    assert figures.detected == 0 and figures.latency_s is None
    assert dict(figures.taken_for) == {(0, 1): 1}
    assert figures.false_alarms_per_hour == 120


def test_a_second_event_of_a_motion_is_a_false_alarm() -> None:
    figures = counted([Span(0, 10, 20)], [Found(0, 10, 16, 13), Found(0, 16.5, 20, 18)])
    assert (figures.detected, figures.false_alarms_per_hour) == (1.0, 60.0)


def test_unknown_motions_are_counted_apart() -> None:
    figures = counted([Span(-1, 10, 12), Span(-1, 20, 22)], [Found(0, 11, 12, 13)])
    assert (figures.num_known, figures.num_unknown, figures.num_unknown_named) == (0, 2, 1)
    assert figures.false_alarms_per_hour == 60


def test_recordings_are_counted_together() -> None:
    figures = EventFigures()
    for _ in range(3):
        figures.add([Span(0, 1, 2)], [Found(0, 1, 2, 2)], 30.0, least_overlap=0.5)
    assert (figures.num_known, figures.detected, figures.hours) == (3, 1.0, pytest.approx(90 / 3600))
    assert figures.jaccard == 1


def test_the_jaccard_index_is_a_mean_over_classes() -> None:
    shown = [Span(0, 0, 2), Span(1, 4, 6), Span(-1, 7, 9)]
    assert mean_jaccard(shown, [Span(0, 1, 3)], 10) == pytest.approx((1 / 3 + 0) / 2, abs=0.01)
    assert mean_jaccard(shown, [Span(0, 0, 2), Span(1, 4, 6)], 10) == 1
    assert mean_jaccard(shown, [Span(0, 0, 2), Span(1, 4, 6), Span(2, 7, 9)], 10) == pytest.approx(2 / 3)
    assert mean_jaccard([], [], 10) == 1
