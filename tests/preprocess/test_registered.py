"""Depth of a camera's own file is laid over colour by the calibration in it, and both show a person in one place."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.support.scenes import Seen
from rgbd.recording.formats import open_stream
from rgbd.recording.registered import registered
from rgbd.recording.stills.images import read_image
from rgbd.recording.streams import frame_of
from rgbd.types import Mask
from tests.support.custom_runs import run, write_csv
from tests.support.processed import records
from tests.support.real import real_recordings
from tests.support.two_cameras import DEPTH_SIZE, see_both, write_both

ROW = {"clip": "c", "recording": "recorded.bag", "class": "stand", "split": "train"}


@pytest.fixture(scope="module")
def both() -> tuple[list[Seen], list[Seen]]:
    return see_both()


def overlap(data: Path) -> float:
    """The mean share that the person in depth and the one in colour have in common, in what was written."""
    pairs = zip(sorted((data / "rgb").rglob("*.jpg")), sorted((data / "depth").rglob("*.png")), strict=True)
    shares = []
    for color, depth in pairs:
        in_color: Mask = read_image(color)[..., 0] > 127
        in_depth: Mask = read_image(depth) > 0
        shares.append((in_color & in_depth).sum() / (in_color | in_depth).sum())
    return float(np.mean(shares))


@pytest.mark.parametrize("roi", ["clip", "tracked", "whole"])
def test_a_person_is_in_the_same_place_in_both_streams(
    tmp_path: Path, both: tuple[list[Seen], list[Seen]], roi: str
) -> None:
    write_both(tmp_path, both)
    assert run(write_csv(tmp_path / "m.csv", ROW), tmp_path / "data", "--roi", roi) == 0
    record = records(tmp_path / "data")["c"]
    assert (record["registration"], record["num_frames"], record["warnings"]) == ("calibration", 6, [])
    assert record["depth_camera"] == "calibration in the file"
    assert overlap(tmp_path / "data") > 0.88


def test_without_calibration_one_frame_is_stretched_over_the_other_and_that_is_said(
    tmp_path: Path, both: tuple[list[Seen], list[Seen]]
) -> None:
    write_both(tmp_path, both, is_calibrated=False)
    assert run(write_csv(tmp_path / "m.csv", ROW), tmp_path / "data") == 0
    record: dict[str, Any] = records(tmp_path / "data")["c"]
    assert record["registration"] == "stretch" and "stretched over the other" in str(record["warnings"])
    assert overlap(tmp_path / "data") < 0.8


def test_depth_alone_stays_as_it_was_measured(tmp_path: Path, both: tuple[list[Seen], list[Seen]]) -> None:
    write_both(tmp_path, both)
    row = {name: value for name, value in ROW.items() if name != "recording"} | {"depth": "recorded.bag"}
    options = ("--roi", "whole", "--masks", "none")
    assert run(write_csv(tmp_path / "m.csv", row), tmp_path / "data", *options) == 0
    assert records(tmp_path / "data")["c"]["depth_size"] == list(DEPTH_SIZE)
    written = read_image(min((tmp_path / "data").rglob("*.png")))
    assert np.isin(written, both[0][0].depth_mm).all() and (written > 0).mean() > 0.9


def test_depth_of_a_real_azure_kinect_is_drawn_over_its_colour() -> None:
    path = real_recordings("cameras") / "azure_kinect.mkv"
    color, depth = open_stream(path, "rgb"), open_stream(path, "depth")
    found = registered(depth, color, 1.0)
    assert found is not None and found[1].source == "calibration"
    drawn, raw = (frame_of(next(stream.read())) for stream in (found[0], depth))
    assert drawn.shape[1] / drawn.shape[0] == pytest.approx(1280 / 720, rel=0.01)
    # A mug stands 0.3 m away, before a wall at 1 m and more. In colour it is the pale thing at (310..500, 375..655),
    # beside a wall of another tone: depth that is drawn there is near, and left and right of it far, or not measured.
    scale = drawn.shape[1] / 1280
    mug, beside = (
        drawn[round(480 * scale), round(x0 * scale) : round(x1 * scale)] for x0, x1 in ((315, 490), (130, 290))
    )
    assert np.median(mug[mug > 0]) < 400 and np.median(beside[beside > 0]) > 700
    assert np.median(raw[raw > 0]) == pytest.approx(np.median(drawn[drawn > 0]), rel=0.3)
