"""A camera's frames go in, answers and events come out: by the same windows that a recording of them is given."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.support.tiny_bundle import make_bundle
from export import load_model
from export.predictor.predictor import Predictor
from export.predictor.results import Window
from export.predictor.streams.events import Event, EventRules
from export.predictor.streams.first_look import View
from export.predictor.streams.session import LiveSession, Said
from rgbd.errors import MissingStreamError, UserError
from rgbd.types import Frame
from tests.support.long_recordings import FPS, GREEN, GREY, RED, coloured, lasting_a_second


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A model whose training clips lasted a second; it names the brightest colour."""
    return load_model(lasting_a_second(tmp_path_factory.mktemp("model"), "rgb"))


def feed(session: LiveSession, frames: list[Frame], start_s: float = 0.0) -> list[Said]:
    return [said for number, frame in enumerate(frames) for said in session.add("rgb", start_s + number / FPS, frame)]


def told(said: list[Said]) -> list[tuple[str, bool]]:
    return [(item.label, item.is_over) for item in said if isinstance(item, Event)]


def test_what_begins_and_ends_is_told_as_it_happens(predictor: Predictor) -> None:
    session = predictor.live("rgb")
    assert (session.pace.window_s, session.pace.interval_s, session.pace.step_s) == (1.0, 0.25, 0.25)
    said = feed(session, coloured((GREY, 2), (RED, 3), (GREY, 2)), start_s=100.0)
    assert isinstance(said[0], View) and said[0].was_prepared and said[0].time_s == 100.0
    assert told(said) == [("red", False), ("red", True)]
    begun, over = (item for item in said if isinstance(item, Event))
    assert begun.start_s == over.start_s == pytest.approx(102, abs=0.5) and over.end_s == pytest.approx(105, abs=0.75)
    windows = [item for item in said if isinstance(item, Window)]
    starts = np.arange(100, 106.01, 0.25).tolist()
    assert [window.start for window in windows] == pytest.approx(starts, abs=1e-6)
    # It is told when the window has come, not when the stream ends.
    index = said.index(begun)
    latest = max(item.end for item in said[:index] if isinstance(item, Window))
    assert latest <= begun.start_s + 1.5


def test_windows_say_what_those_of_a_recording_say(predictor: Predictor) -> None:
    frames = coloured((GREY, 1), (RED, 2), (GREEN, 1))
    session = predictor.live("rgb", top_k=3)
    said = [*feed(session, frames), *session.end()]
    for window in (item for item in said if isinstance(item, Window)):
        first = round(window.start * FPS)
        clip = [frames[min(first + 5 * number, len(frames) - 1)] for number in range(4)]
        expected = np.mean(clip, axis=(0, 1, 2)) / 16
        expected = np.exp(expected) / np.exp(expected).sum()
        scores = {score.label: score.score for score in window.predictions}
        assert [scores[label] for label in predictor.labels] == pytest.approx(expected.tolist(), abs=0.02)


def test_no_window_reaches_over_a_pause(predictor: Predictor) -> None:
    session = predictor.live("rgb", rules=EventRules(smoothing=0))
    said = [*feed(session, coloured((RED, 2))), *feed(session, coloured((GREEN, 2)), start_s=60.0), *session.end()]
    assert told(said) == [("red", False), ("red", True), ("green", False), ("green", True)]
    assert all(item.end < 3 or item.start >= 60 for item in said if isinstance(item, Window))
    assert [item.time_s for item in said if isinstance(item, View)] == [0.0, 60.0]


def test_a_stream_that_ends_at_once_says_nothing(predictor: Predictor) -> None:
    assert not list(predictor.live("rgb").end())
    session = predictor.live("rgb")
    said = [*feed(session, coloured((RED, 0.2))), *session.end()]
    assert [type(item) for item in said] == [View]


def test_answers_come_as_often_as_asked(predictor: Predictor) -> None:
    session = predictor.live("rgb", window_s=2.0, every=3, top_k=1)
    assert session.pace.step_s == 1.5
    windows = [item for item in feed(session, coloured((RED, 6))) if isinstance(item, Window)]
    assert [window.start for window in windows] == pytest.approx([0, 1.5, 3])
    assert all(len(window.predictions) == 1 for window in windows)


@pytest.mark.parametrize("enough", [False, True])
def test_one_stream_of_two(tmp_path: Path, *, enough: bool) -> None:
    model = load_model(make_bundle(tmp_path / "model", "rgbd", alone={"rgb": 0.75} if enough else None))
    if not enough:
        with pytest.raises(MissingStreamError, match="needs rgb and depth; give depth, too"):
            model.live("rgb", window_s=1)
        return
    said = feed(model.live("rgb", window_s=1), coloured((RED, 2)))
    assert any(isinstance(item, Window) and item.predictions[0].label == "red" for item in said)


@pytest.mark.parametrize(
    ("streams", "options", "reason"),
    [
        ((), {}, r'streams \(\): give "rgb"'),
        (("infrared",), {}, "streams"),
        (("rgb",), {"window_s": 1e-5}, "window_s 1e-05: give at least 0.004"),
        (("rgb",), {"window_s": 1e9}, "window_s"),
        (("rgb",), {"every": 5}, "every 5: give 1 to 4 sampled frames"),
        (("rgb",), {"people": "each"}, "people 'each': give one of largest, nearest, all, whole, or a number"),
        (("rgb",), {"people": 0}, "people 0: give a number from 1 on"),
        (("rgb",), {"top_k": 0}, "top_k 0"),
        (("rgb",), {"depth_scale_mm": -1}, "depth_scale_mm -1"),
    ],
)
def test_what_makes_no_sense_is_named(
    predictor: Predictor, streams: tuple[Any, ...], options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        predictor.live(*streams, **options)


@pytest.mark.parametrize("rules", [{"begin": 0.05}, {"keep": 0.0}, {"begin": float("nan")}, {"smoothing": -1}])
def test_rules_that_make_no_sense(rules: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"give|must be"):
        EventRules(**rules)
