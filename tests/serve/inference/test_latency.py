"""How long batches are expected to take."""

import time

import pytest

from serve.inference.latency import Latency


def test_latency_is_a_running_mean_and_scales_to_other_batches() -> None:
    latency = Latency()
    assert latency.seconds(3) == 0
    latency.note(2, 1.0)
    assert (latency.seconds(2), latency.seconds(4), latency.seconds(1)) == (1.0, 2.0, 0.5)
    latency.note(2, 2.0)
    assert latency.seconds(2) == pytest.approx(1.2)


def test_latency_forgets_what_was_measured_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    latency, now = Latency(), 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    latency.note(1, 5.0)
    now += 20
    latency.note(4, 2.0)
    assert (latency.seconds(1), latency.seconds(4)) == (5.0, 2.0)
    now += 20
    assert (latency.seconds(1), latency.seconds(4)) == (0.5, 2.0)
    latency.note(1, 1.0)  # what was forgotten has no part in the mean
    assert latency.seconds(1) == 1.0
    now += 40
    assert latency.seconds(1) == 0
