"""What happens in a long recording, and when: events, windows, and recordings that cannot be used."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.support.tiny_bundle import make_bundle
from export import load_model
from export.predictor.predictor import Predictor
from export.predictor.streams.timeline import Timeline
from rgbd.errors import MediaError, UserError
from tests.support.commands import assert_refused, run_module
from tests.support.long_recordings import FPS, GREEN, RED, coloured, lasting_a_second, long_video
from tests.support.uploads import at_rate, depth_frames, timed_video, zipped


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A model of which nobody knows how long its training clips were; it names the brightest colour."""
    return load_model(make_bundle(tmp_path_factory.mktemp("model"), "rgb"))


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return long_video(tmp_path / "long.mkv")


def said(timeline: Timeline) -> list[tuple[str, float, float]]:
    return [(event.label, event.start_s, event.end_s) for event in timeline.events]


def test_events_are_found_where_they_are(predictor: Predictor, video: Path) -> None:
    found = predictor.timeline(video, window_s=1)
    assert (found.duration_s, found.window_s, found.step_s) == (11.0, 1.0, 0.25)
    assert [label for label, *_ in said(found)] == ["red", "green"]
    for (_, start_s, end_s), expected in zip(said(found), [(2, 5), (7, 11)], strict=True):
        assert start_s == pytest.approx(expected[0], abs=0.5) and end_s == pytest.approx(expected[1], abs=0.75)
    assert len(found.windows) == 41
    assert found.windows[0].start == 0 and found.windows[-1].end == pytest.approx(11)
    assert [score.label for score in found.windows[12].predictions] == ["red", "green", "blue"]


def test_a_part_of_a_recording(predictor: Predictor, video: Path) -> None:
    found = predictor.timeline(video, window_s=1, start_s=6, end_s=10, top_k=1)
    assert (found.duration_s, [label for label, *_ in said(found)]) == (4.0, ["green"])
    assert found.windows[0].start == 6 and len(found.windows[0].predictions) == 1


def test_windows_are_as_long_as_training_clips_were(tmp_path: Path, video: Path) -> None:
    model = load_model(lasting_a_second(tmp_path / "model", "rgb"))
    assert model.timeline(video).window_s == 1.0
    assert model.timeline(video, window_s=0.5).window_s == 0.5


def test_a_recording_shorter_than_a_window_is_one(predictor: Predictor, tmp_path: Path) -> None:
    timed_video(tmp_path / "short.mkv", at_rate(coloured((RED, 0.5)), FPS))
    found = predictor.timeline(tmp_path / "short.mkv", window_s=2)
    assert len(found.windows) == 1 and found.window_s == found.duration_s == 0.5
    assert said(found) == [("red", 0.25, 0.25)]


def test_both_streams_go_on_together(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "model", "rgbd", alone={"rgb": 0.75})
    frames = coloured((RED, 2), (GREEN, 2))
    timed_video(tmp_path / "both.mkv", at_rate(frames, FPS), at_rate(depth_frames(len(frames)), FPS))
    timed_video(tmp_path / "rgb.mkv", at_rate(frames, FPS))
    model = load_model(bundle)
    together = model.timeline(tmp_path / "both.mkv", window_s=1)
    alone = model.timeline(tmp_path / "rgb.mkv", window_s=1)
    assert len(together.windows) == len(alone.windows) == 13
    assert [label for label, *_ in said(alone)] == ["red", "green"]
    assert together.windows[0].predictions != alone.windows[0].predictions


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "the bundle does not say how long the clips are.*give window_s"),
        ({"window_s": 0}, "window_s 0: give seconds above 0"),
        ({"window_s": float("nan")}, "window_s nan"),
        ({"window_s": 1, "people": "each"}, "people 'each': give one of largest, all"),
        ({"window_s": 1, "accepted": 2}, "accepted 2: give a share"),
        ({"window_s": 1, "top_k": 0}, "top_k 0: must be 1 or more"),
        ({"window_s": 1, "start_s": 30}, "the clip lasts 11.00 s"),
    ],
)
def test_what_makes_no_sense_is_named(predictor: Predictor, video: Path, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        predictor.timeline(video, **options)


def test_without_times_nothing_can_be_said(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "frames.zip").write_bytes(zipped(tmp_path, coloured((RED, 1))))
    with pytest.raises(MediaError, match="give fps"):
        predictor.timeline(tmp_path / "frames.zip", window_s=0.5)
    assert predictor.timeline(tmp_path / "frames.zip", window_s=0.5, fps=10).duration_s == 2.0


def test_graphs_for_streams_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="export it with --live"):
        load_model(make_bundle(tmp_path / "model", "rgb"), live=True)


def test_the_command_prints_or_writes_what_it_found(tmp_path: Path, video: Path) -> None:
    bundle = make_bundle(tmp_path / "model", "rgb")
    words = ("export", "timeline", bundle, "--rgb", video, "--window-s", 1)
    printed = run_module(*words)
    assert printed.returncode == 0, printed.stderr
    assert "2 events in 11.0 s" in printed.stdout and "green" in printed.stdout
    assert all(len(line) <= 80 for line in printed.stdout.splitlines())
    for name in ("found.json", "found.csv", "found.vtt"):
        result = run_module(*words, "--out", tmp_path / name)
        assert result.returncode == 0 and f"{name}: 2 events" in result.stderr, result.stderr
    assert len((tmp_path / "found.csv").read_text().splitlines()) == 3
    assert json.loads((tmp_path / "found.json").read_text())["window_s"] == 1.0


def test_the_command_refuses_what_it_cannot_do(tmp_path: Path, video: Path) -> None:
    words = ("export", "timeline", make_bundle(tmp_path / "model", "rgb"))
    before = video.read_bytes()
    assert_refused(run_module(*words), "give --rgb, --depth, or both")
    assert_refused(run_module(*words, "--rgb", video, "--out", tmp_path / "found.txt"), "let it end in one of .json")
    assert_refused(run_module(*words, "--rgb", video), "give window_s")
    assert_refused(run_module(*words, "--rgb", tmp_path / "none.mkv", "--window-s", 1), "none.mkv")
    (tmp_path / "video.csv").symlink_to(video)
    assert_refused(run_module(*words, "--rgb", video, "--window-s", 1, "--out", tmp_path / "video.csv"), "video.csv")
    assert video.read_bytes() == before


def test_depth_in_a_wrong_unit_is_said_or_refused(tmp_path: Path) -> None:
    model = load_model(make_bundle(tmp_path / "model", "depth"))
    timed_video(tmp_path / "depth.mkv", at_rate(depth_frames(40), FPS))
    usual = model.timeline(depth=tmp_path / "depth.mkv", window_s=1)
    odd = model.timeline(depth=tmp_path / "depth.mkv", window_s=1, depth_scale_mm=5)
    assert not any("half of its depth" in warning for warning in usual.warnings)
    assert sum("half of its depth is farther than" in warning for warning in odd.warnings) == 1
    with pytest.raises(MediaError, match="correct the scale of depth"):
        model.timeline(depth=tmp_path / "depth.mkv", window_s=1, depth_scale_mm=100)
