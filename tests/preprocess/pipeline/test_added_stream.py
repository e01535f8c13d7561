"""A stream that is added later ends as if both had been done at once."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from rgbd.dataset.layouts import CUSTOM, NTU
from rgbd.dataset.reading import open_clips
from rgbd.dataset.records import RECORDS_FILE, read_records
from rgbd.recording.videos.video import write_video
from tests.support.custom_runs import run as run_custom
from tests.support.custom_runs import write_csv
from tests.support.ntu_recordings import BODY_MM, CLIP, body_at, make_recording, scene
from tests.support.ntu_runs import run
from tests.support.processed import records
from tests.support.uploads import at_rate, timed_video

AGAIN = "1 clips, such as a, were done again in all streams"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Write somebody who walks in a part of the frame only, in colour and depth."""
    folder = tmp_path / "raw"
    depth = [scene((body_at(-0.8 + 0.04 * index),), 2)[0] for index in range(16)]
    color = [np.where(frame[:, :, None] < BODY_MM + 200, 220, 60).repeat(3, 2).astype(np.uint8) for frame in depth]
    write_video(folder / "depth.mkv", depth)
    write_video(folder / "color.mp4", color)
    write_video(folder / "large.mp4", [frame.repeat(2, 0).repeat(2, 1) for frame in color])
    return folder


def manifest(raw: Path, rgb: str, depth: str) -> Path:
    """Write a manifest of the clip, and of another that always has both streams."""
    rows = [{"clip": clip, "class": "walk", "split": "train"} for clip in ("a", "b")]
    return write_csv(
        raw / "m.csv",
        rows[0] | {"rgb": rgb, "depth": depth},
        rows[1] | {"rgb": "color.mp4", "depth": "depth.mkv"},
    )


def state(folder: Path) -> dict[Path, int]:
    """Return when each file of a folder was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}


def content(out: Path) -> dict[str, list[bytes]]:
    """Return the files of the clip's frames, by stream."""
    record = read_records(out / RECORDS_FILE)["a"]
    reader = open_clips(out, CUSTOM)
    return {stream: list(reader.read(stream, "a", range(record.num_frames)).values()) for stream in ("rgb", "depth")}


CASES = [
    ("clip", "color.mp4", "folders"),
    ("clip", "large.mp4", "shards"),
    ("tracked", "large.mp4", "folders"),
    ("legacy", "large.mp4", "folders"),
    ("whole", "large.mp4", "folders"),
]


@pytest.mark.parametrize("first", ["rgb", "depth"])
@pytest.mark.parametrize(("roi", "color", "format_"), CASES)
def test_it_is_as_if_both_were_done_at_once(
    raw: Path, tmp_path: Path, first: str, roi: str, color: str, format_: str
) -> None:
    options = ("--roi", roi, "--format", format_)
    assert run_custom(manifest(raw, color, "depth.mkv"), tmp_path / "once", *options) == 0
    alone = manifest(raw, color if first == "rgb" else "", "depth.mkv" if first == "depth" else "")
    assert run_custom(alone, tmp_path / "data", *options) == 0
    assert run_custom(manifest(raw, color, "depth.mkv"), tmp_path / "data", *options) == 0
    at_once, later = (records(tmp_path / name)["a"] for name in ("once", "data"))
    for name in (
        "streams",
        "num_frames",
        "roi",
        "box_color_px",
        "box_depth_px",
        "aligned_by",
        "color_size",
        "depth_size",
    ):
        assert later.get(name) == at_once.get(name), name
    assert content(tmp_path / "data") == content(tmp_path / "once")
    before = records(tmp_path / "data")
    assert run_custom(manifest(raw, color, "depth.mkv"), tmp_path / "data", *options) == 0
    assert records(tmp_path / "data") == before  # finished


def test_what_is_done_again_is_said_and_once(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_custom(manifest(raw, "color.mp4", ""), tmp_path / "data") == 0
    assert AGAIN not in capsys.readouterr().err
    both = manifest(raw, "color.mp4", "depth.mkv")
    assert run_custom(both, tmp_path / "data") == 0
    assert AGAIN in " ".join(capsys.readouterr().err.split())
    assert run_custom(both, tmp_path / "data") == 0
    assert AGAIN not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("first", "roi"), [("rgb", "whole"), ("depth", "whole"), ("depth", "legacy"), ("depth", "clip")]
)
def test_what_shows_the_same_anyway_is_not_done_again(raw: Path, tmp_path: Path, first: str, roi: str) -> None:
    alone = manifest(raw, "color.mp4" if first == "rgb" else "", "depth.mkv" if first == "depth" else "")
    assert run_custom(alone, tmp_path / "data", "--roi", roi) == 0
    before = state(tmp_path / "data" / first / "a")
    assert run_custom(manifest(raw, "color.mp4", "depth.mkv"), tmp_path / "data", "--roi", roi) == 0
    assert state(tmp_path / "data" / first / "a") == before
    assert records(tmp_path / "data")["a"]["streams"] == ["rgb", "depth"]


def test_colour_that_was_cropped_by_its_skeleton_stays(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    depth = raw / "nturgb+d_depth"
    depth.rename(tmp_path / "away")
    assert run(raw, out) == 0
    before, record = state(out / "Images"), records(out)[CLIP]
    (tmp_path / "away").rename(depth)
    assert run(raw, out) == 0
    assert state(out / "Images") == before
    after = records(out)[CLIP]
    assert after["streams"] == ["rgb", "depth"] and after["box_color_px"] == record["box_color_px"]
    shutil.rmtree(out)
    assert run(raw, out) == 0
    assert records(out)[CLIP]["box_color_px"] == after["box_color_px"]


def test_a_skeleton_that_came_in_between_moves_the_box_of_both(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw, rgb_frames=20, depth_frames=20, two=True)
    skeletons = raw / "nturgb+d_skeletons"
    skeletons.rename(tmp_path / "away")
    assert run(raw, out, "--streams", "rgb") == 0
    (tmp_path / "away").rename(skeletons)
    assert run(raw, out, "--streams", "depth") == 0
    assert run(raw, tmp_path / "once") == 0
    assert records(out)[CLIP]["box_color_px"] == records(tmp_path / "once")[CLIP]["box_color_px"]
    for stream in ("rgb", "depth"):
        folders = (NTU.frame_path(root, stream, CLIP, 0).parent for root in (out, tmp_path / "once"))
        first, second = ([path.read_bytes() for path in sorted(folder.iterdir())] for folder in folders)
        assert first == second


def test_moments_that_the_added_stream_does_not_show_go(raw: Path, tmp_path: Path) -> None:
    frames = [np.full((48, 64, 3), 10 * index, np.uint8) for index in range(20)]
    depth = [np.full((48, 64), 1000 + index, np.uint16) for index in range(20)]
    timed_video(raw / "both.mkv", at_rate(frames, 30), at_rate(depth, 30, start_s=0.2))
    options = ("--roi", "whole", "--masks", "none")
    assert run_custom(manifest(raw, "both.mkv", "both.mkv"), tmp_path / "once", *options) == 0
    assert run_custom(manifest(raw, "both.mkv", ""), tmp_path / "data", *options) == 0
    assert records(tmp_path / "data")["a"]["num_frames"] == 20
    assert run_custom(manifest(raw, "both.mkv", "both.mkv"), tmp_path / "data", *options) == 0
    assert records(tmp_path / "data")["a"]["num_frames"] == 14
    assert content(tmp_path / "data") == content(tmp_path / "once")


def test_nothing_is_laid_over_a_recording_that_is_gone(raw: Path, tmp_path: Path) -> None:
    assert run_custom(manifest(raw, "color.mp4", ""), tmp_path / "data") == 0
    before = state(tmp_path / "data" / "rgb")
    assert run_custom(manifest(raw, "", "depth.mkv"), tmp_path / "data") == 1
    record = records(tmp_path / "data")["a"]
    assert record["status"] == "done" and record["streams"] == ["rgb"]
    assert "rgb was written before" in record["last_failure"] and "put that stream back" in record["last_failure"]
    assert state(tmp_path / "data" / "rgb") == before
    assert run_custom(manifest(raw, "color.mp4", "depth.mkv"), tmp_path / "data") == 0
    assert records(tmp_path / "data")["a"]["streams"] == ["rgb", "depth"]
