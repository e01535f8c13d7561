"""Frames with time stamps become even moments: uneven and missing frames, pauses, streams out of step."""

import numpy as np
import pytest

from export.predictor.streams.timed_sampling import Sampled, TimedSampler
from rgbd.errors import MediaError
from rgbd.types import Frame, Stream


def frame(number: int) -> Frame:
    return np.full((2, 2, 3), number, np.uint8)


def number_of(sampled: Sampled[Frame], stream: Stream = "rgb") -> int:
    return int(sampled.frames[stream][0, 0, 0])


def sample(
    *coming: tuple[Stream, float, int], interval_s: float = 0.1, patience_s: float = 0.5
) -> list[Sampled[Frame]]:
    """Return the moments of frames that come in this order: each its stream, its time, and its number."""
    streams = tuple(dict.fromkeys(sorted((stream for stream, *_ in coming), reverse=True)))
    sampler = TimedSampler[Frame](streams, interval_s, patience_s)
    found = [moment for stream, time_s, number in coming for moment in sampler.add(stream, time_s, frame(number))]
    return [*found, *sampler.end()]


def test_of_a_fast_camera_the_nearest_frames_are_taken() -> None:
    found = sample(*(("rgb", 7 + number / 30, number) for number in range(31)))
    assert [number_of(moment) for moment in found] == list(range(0, 31, 3))
    assert found[0].time_s == 7 and found[-1].time_s == pytest.approx(8)
    assert [moment.begins for moment in found] == [True] + [False] * 10


def test_a_moment_is_known_as_soon_as_no_nearer_frame_can_come() -> None:
    sampler = TimedSampler[Frame](("rgb",), 0.1, 0.5)
    assert [number_of(moment) for moment in sampler.add("rgb", 0.0, frame(0))] == [0]
    assert not list(sampler.add("rgb", 0.08, frame(1)))
    assert [number_of(moment) for moment in sampler.add("rgb", 0.13, frame(2))] == [1]


def test_missing_frames_are_stood_for_by_the_nearest() -> None:
    found = sample(("rgb", 0.0, 0), ("rgb", 0.1, 1), ("rgb", 0.4, 4))
    assert [number_of(moment) for moment in found] == [0, 1, 1, 4, 4]


def test_behind_a_pause_moments_begin_anew() -> None:
    found = sample(("rgb", 0.0, 0), ("rgb", 0.1, 1), ("rgb", 5.03, 2), ("rgb", 5.13, 3))
    assert [(moment.time_s, number_of(moment), moment.begins) for moment in found] == [
        (0.0, 0, True),
        (0.1, 1, False),
        (5.03, 2, True),
        (pytest.approx(5.13), 3, False),
    ]


def test_a_clock_that_jumps_ahead_by_years_is_a_pause() -> None:
    found = sample(("rgb", 0.0, 0), ("rgb", 1e9, 1), ("rgb", 1e9 + 0.1, 2))
    assert [moment.begins for moment in found] == [True, True, False]


def test_streams_out_of_step_are_paired_by_time_whatever_comes_first() -> None:
    colour = [("rgb", number * 0.1, number) for number in range(5)]
    depth = [("depth", (number - 1) * 0.1 + 0.03, number) for number in range(6)]
    late = sample(*colour, *depth)  # depth comes late, all at once
    early = sample(*depth, *colour)
    in_turns = sample(*sorted([*colour, *depth], key=lambda item: item[1]))
    for found in (late, early, in_turns):
        assert [(number_of(moment), number_of(moment, "depth")) for moment in found] == [
            (number, number + 1) for number in range(5)
        ]


def test_frames_wait_no_longer_than_the_patience_for_the_other_stream() -> None:
    sampler = TimedSampler[Frame](("rgb", "depth"), 0.1, 0.5)
    list(sampler.add("depth", 0.0, frame(0)))
    found = [moment for number in range(101) for moment in sampler.add("rgb", number * 0.1, frame(number))]
    assert [number_of(moment) for moment in found] == [0]  # then depth stops
    assert sampler.num_unpaired == pytest.approx(95, abs=1)
    found = list(sampler.add("depth", 10.0, frame(9)))
    assert [(moment.begins, number_of(moment), number_of(moment, "depth")) for moment in found] == [(True, 100, 9)]


def test_time_may_stand_still_but_not_go_back() -> None:
    assert len(sample(("rgb", 1.0, 0), ("rgb", 1.0, 1), ("rgb", 1.1, 2))) == 2
    with pytest.raises(MediaError, match=r"rgb: a frame of 0\.900000 s came after one of 1\.000000 s; send frames in"):
        sample(("rgb", 1.0, 0), ("rgb", 0.9, 1))


@pytest.mark.parametrize(
    ("stream", "time_s", "reason"),
    [("rgb", float("nan"), "which is no time in seconds"), ("infrared", 0.0, "no such stream was announced")],
)
def test_what_stands_for_no_moment(stream: Stream, time_s: float, reason: str) -> None:
    with pytest.raises(MediaError, match=reason):
        list(TimedSampler[Frame](("rgb",), 0.1, 0.5).add(stream, time_s, frame(0)))


def test_few_frames_wait_however_far_moments_are_apart() -> None:
    sampler = TimedSampler[int](("rgb", "depth"), 60.0, 120.0)
    found = []
    for number in range(3000):
        found += [*sampler.add("rgb", number / 30, number), *sampler.add("depth", number / 30 + 0.01, number)]
        assert len(sampler.waiting) <= 5
    assert [(moment.time_s, *moment.frames.values()) for moment in found] == [(0.01, 0, 0), (60.01, 1800, 1800)]
