"""`python -m rgbd annotate`: what happens in a recording, drawn into a video; nothing of the recording is touched."""

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rgbd.recording.formats import open_stream
from rgbd.recording.streams import frame_of
from rgbd.types import Frame
from tests.support.commands import assert_refused, run_module
from tests.support.uploads import at_rate, timed_video

FPS = 10
WAVE = {"label": "winken 手", "start_s": 1.0, "end_s": 2.0, "score": 0.9}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    frames: list[Frame] = [np.full((90, 121, 3), 60, np.uint8) for _ in range(3 * FPS)]
    timed_video(tmp_path / "in.mkv", at_rate(frames, FPS))
    return tmp_path / "in.mkv"


def timeline(folder: Path, **changes: Any) -> Path:
    path = folder / "timeline.json"
    content = {"duration_s": 3.0, "events": [WAVE], "box_px": [20, 10, 60, 80], "windows": [], "warnings": []}
    path.write_text(json.dumps(content | changes))
    return path


def annotated(path: Path) -> list[np.ndarray]:
    stream = open_stream(path, "rgb")
    assert stream.times_s is not None and len(stream.times_s) == stream.num_frames
    return [frame_of(picture) for picture in stream.read()]


def test_events_are_drawn_while_they_last(tmp_path: Path, video: Path) -> None:
    before = video.read_bytes()
    result = run_module("rgbd", "annotate", video, timeline(tmp_path), "--out", tmp_path / "out.mp4")
    assert result.returncode == 0, result.stderr
    assert "out.mp4: 30 frames, 1 events" in result.stderr
    frames = annotated(tmp_path / "out.mp4")
    assert len(frames) == 30 and frames[0].shape == (90 + 44, 120, 3)  # an even width, and a band below
    quiet, loud = (frames[number][90:115].astype(int) for number in (5, 15))
    assert quiet.max() < 60 and loud.max() > 150  # the text
    bar = frames[5][90 + 35].astype(int)
    assert bar[60].max() > 150 and bar[100].max() < 80  # the event is in the middle third
    assert abs(frames[15][10, 40].astype(int) - frames[15][40, 40]).max() > 60  # the box
    assert video.read_bytes() == before


def test_times_are_kept(tmp_path: Path) -> None:
    times_s = [0.0, 0.1, 0.5, 2.0]
    timed_video(tmp_path / "in.mkv", [(time_s, np.zeros((48, 64, 3), np.uint8)) for time_s in times_s])
    result = run_module("rgbd", "annotate", tmp_path / "in.mkv", timeline(tmp_path), "--out", tmp_path / "out.mp4")
    assert result.returncode == 0, result.stderr
    assert open_stream(tmp_path / "out.mp4", "rgb").times_s == pytest.approx(times_s, abs=0.002)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_depth_alone_is_drawn_in_colours(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(1000, 2000, (200, 48, 64), np.uint16)
    frames[:, 15:25, 25:35] = 1500
    np.savez(tmp_path / "depth.npz", frames)
    words = ("--depth", tmp_path / "depth.npz", timeline(tmp_path, box_px=None), "--out", tmp_path / "out.mp4")
    assert_refused(run_module("rgbd", "annotate", *words), "give --fps")
    result = run_module("rgbd", "annotate", *words, "--fps", 30)
    assert result.returncode == 0, result.stderr
    assert np.ptp(annotated(tmp_path / "out.mp4")[0][20, 30].astype(int)) > 60


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is no time line"),
        ('{"duration_s": 3}', "events: Field required"),
        ('{"events": [{"label": "a", "start_s": 2, "end_s": 1, "score": 1}]}', "before it begins"),
        ('{"events": [{"label": "a", "start_s": -2, "end_s": 1, "score": 1}]}', "start_s"),
        ('{"events": [], "box_px": [1, 2]}', "box_px"),
    ],
)
def test_what_is_no_time_line_is_refused(tmp_path: Path, video: Path, content: str, reason: str) -> None:
    (tmp_path / "bad.json").write_text(content)
    result = run_module("rgbd", "annotate", video, tmp_path / "bad.json", "--out", tmp_path / "out.mp4")
    assert_refused(result, reason)
    assert not (tmp_path / "out.mp4").exists()


def test_outputs_meet_no_inputs(tmp_path: Path, video: Path) -> None:
    found = timeline(tmp_path)
    assert_refused(run_module("rgbd", "annotate", video, found, "--out", tmp_path / "out.avi"), "let it end in .mp4")
    (tmp_path / "same.mp4").symlink_to(video)
    assert_refused(run_module("rgbd", "annotate", video, found, "--out", tmp_path / "same.mp4"), "same.mp4")
    assert_refused(run_module("rgbd", "annotate", video, tmp_path / "none.json", "--out", tmp_path / "o.mp4"), "none")
    assert_refused(run_module("rgbd", "annotate", video), "--out")
