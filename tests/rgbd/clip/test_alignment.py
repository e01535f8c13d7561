"""Which frames of two streams were taken together."""

import numpy as np
import pytest

from rgbd.clip.alignment import Alignment
from rgbd.errors import MediaError
from rgbd.recording.timeline import Timeline, make_timeline


def line(num_frames: int, fps: float | None, start_s: float = 0.0) -> Timeline:
    if fps is None:
        return make_timeline(num_frames, None)
    return make_timeline(num_frames, fps, tuple((start_s + np.arange(num_frames) / fps).tolist()))


def test_depth_at_half_the_rate_comes_twice() -> None:
    alignment = Alignment({"rgb": line(12, 30), "depth": line(6, 15)})
    assert alignment.by == "time" and not alignment.is_in_step
    pairs = alignment.pairs()
    assert pairs["rgb"].tolist() == list(range(12))
    assert (np.abs(pairs["depth"] / 15 - pairs["rgb"] / 30) < 1 / 29).all()
    assert alignment.farthest(pairs) == pytest.approx(1 / 30)
    sampled = alignment.sample(alignment.whole(), 4)
    assert sampled["rgb"].tolist() == [1, 4, 7, 10] and sampled["depth"].tolist() == [0, 2, 3, 5]


def test_only_what_both_show_is_paired() -> None:
    alignment = Alignment({"rgb": line(12, 30), "depth": line(12, 30, start_s=0.1)})
    pairs = alignment.pairs()
    assert pairs["rgb"].tolist() == list(range(3, 12)) and pairs["depth"].tolist() == list(range(9))
    assert alignment.outside() == {"rgb": 3, "depth": 3}
    part = alignment.whole(0.1, 0.2)
    assert part.ranges == {"rgb": (6, 9), "depth": (3, 6)} and part.num_frames == {"rgb": 3, "depth": 3}


def test_streams_of_two_clocks_begin_together() -> None:
    alignment = Alignment({"rgb": line(12, 30), "depth": line(10, 30, start_s=100.0)}, share_clock=False)
    assert alignment.is_in_step
    assert {stream: places.tolist() for stream, places in alignment.pairs().items()} == {
        "rgb": list(range(10)),
        "depth": list(range(10)),
    }


def test_numbers_stand_for_times_that_nobody_knows() -> None:
    alignment = Alignment({"rgb": line(12, 30, start_s=5.0), "depth": line(9, None)})
    assert alignment.by == "index" and alignment.is_in_step
    assert len(alignment.pairs()["rgb"]) == len(alignment.pairs()["depth"]) == 9
    with pytest.raises(MediaError, match="give fps, too"):
        alignment.whole(0.5)


def test_streams_that_share_no_time() -> None:
    alignment = Alignment({"rgb": line(6, 30), "depth": line(6, 30, start_s=9.0)})
    for pair in (alignment.whole, alignment.pairs):
        with pytest.raises(MediaError, match="share no time"):
            pair()
