"""Streams of several threads share runs of the network, and a failure is told to all of them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import Any

import numpy as np
import pytest

from export.predictor.streams import shared_slider
from export.predictor.streams.shared_slider import SharedSlider
from export.predictor.streams.sliding import Frames, SlidWindow
from tests.support.waiting import wait_until


class State:
    """Of a stream of which nothing is kept."""


class Counting:
    """Answers each stream with its own frames, and waits with the first run until it may go on."""

    max_batch = 3

    def __init__(self) -> None:
        self.runs: list[int] = []
        self.may_go_on = Event()
        self.fails = False

    def begin(self, _: int) -> State:
        return State()

    def add(self, coming: Sequence[tuple[Any, Frames]]) -> list[list[SlidWindow]]:
        self.runs.append(len(coming))
        assert self.may_go_on.wait(20)
        if self.fails:
            raise ValueError("the network fails")
        return [[SlidWindow(state, {"logits": frames["rgb"][:, 0, 0, 0]})] for state, frames in coming]

    def end(self, state: int) -> list[SlidWindow]:
        return [SlidWindow(state, {})]


def frames(value: int, num: int = 1) -> Frames:
    return {"rgb": np.full((num, 1, 1, 3), value, np.uint8)}


def test_what_comes_while_the_network_computes_is_computed_together() -> None:
    slider = Counting()
    shared = SharedSlider(slider, Lock())
    with ThreadPoolExecutor(6) as threads:
        first = threads.submit(shared.add, [(0, frames(0))])
        wait_until(lambda: len(slider.runs) == 1)
        others = [threads.submit(shared.add, [(number, frames(number))]) for number in range(1, 5)]
        longer = threads.submit(shared.add, [(9, frames(9, num=2))])  # goes into no run with the others
        wait_until(lambda: len(shared._waiting) == 5)
        slider.may_go_on.set()
        for number, answer in enumerate([first, *others]):
            ((window,),) = answer.result(20)
            assert window.first == number and window.outputs["logits"].tolist() == [number]
        ((window,),) = longer.result(20)
    assert window.outputs["logits"].tolist() == [9, 9]
    assert sorted(slider.runs) == [1, 1, 1, 3] and not shared._waiting
    assert shared.end(7)[0].first == 7


def test_a_failure_is_told_to_all_of_a_run_and_harms_no_other() -> None:
    slider = Counting()
    shared = SharedSlider(slider, Lock())
    slider.fails = True
    slider.may_go_on.set()
    with pytest.raises(ValueError, match="the network fails"):
        shared.add([(0, frames(0))])
    slider.fails = False
    assert shared.add([(1, frames(1))])[0][0].first == 1


def test_single_frames_of_several_streams_wait_for_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_slider, "_GATHER_S", 60.0)
    slider = Counting()
    slider.may_go_on.set()
    shared = SharedSlider(slider, Lock())
    one, other = shared.begin(1), shared.begin(1)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(shared.add, [(one, frames(1))])
        wait_until(lambda: len(shared._waiting) == 1)
        threads.submit(shared.add, [(other, frames(2))]).result(20)
        first.result(20)
        assert slider.runs == [2]
        threads.submit(shared.add, [(one, frames(1, num=2))]).result(20)  # several are late, and wait for nobody
        del other, first
        threads.submit(shared.add, [(one, frames(1))]).result(20)  # as who is alone does
    assert slider.runs == [2, 1, 1]
