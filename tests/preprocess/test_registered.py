"""Depth of a camera's own file is laid over colour by the calibration in it, and both show a person in one place."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.support.ros_bags import SECOND, Said, camera_info, image, transform, tree, write_bag
from benchmarks.support.scenes import Seen, render_people, rendering_camera
from preprocess.synthetic.body import Arm, Pose, joints_in_room
from preprocess.synthetic.scene import SETUPS
from rgbd.camera.intrinsics import pinhole
from rgbd.recording.images import read_image
from rgbd.types import Mask, Size
from tests.support.custom_runs import run, write_csv
from tests.support.processed import records

DEPTH_SIZE, COLOR_SIZE = (320, 288), (640, 360)
DEPTH_FOCAL, COLOR_FOCAL = 252.0, 306.0
APART_M = 0.12  # more than any camera's, so that a stretch, or another sign, cannot pass
ROW = {"clip": "c", "recording": "recorded.bag", "class": "stand", "split": "train"}


def seen(size: Size, focal: float, aside_m: float) -> list[Seen]:
    """Somebody who stands, as a camera sees them that stands so far aside."""
    camera = rendering_camera(pinhole(focal, focal, size[0] / 2, size[1] / 2, name=""), size)
    hanging = Arm((5, -72), (10, -75))
    joints = joints_in_room(Pose((0.2, 2.2), 5, (hanging, hanging)), 1.75) - np.array([aside_m, 0, 0], np.float32)
    return render_people(SETUPS[0], camera, lambda _: [joints], num_frames=6)


@pytest.fixture(scope="module")
def both() -> tuple[list[Seen], list[Seen]]:
    return seen(DEPTH_SIZE, DEPTH_FOCAL, 0.0), seen(COLOR_SIZE, COLOR_FOCAL, APART_M)


def lens(size: Size, focal: float) -> Said:
    matrix = (focal, 0, size[0] / 2 - 0.5, 0, focal, size[1] / 2 - 0.5, 0, 0, 1)
    return camera_info(size, matrix, "plumb_bob", [0.0] * 5)


def bag(folder: Path, both: tuple[list[Seen], list[Seen]], *, is_calibrated: bool = True) -> None:
    """Write both cameras; in colour the person is white before black, and depth lags by a third of an interval."""
    depth, color = both
    turns = range(1, len(depth) + 1)
    white = [np.repeat(frame.mask[:, :, None] * np.uint8(255), 3, axis=2) for frame in color]
    topics: dict[str, list[Said]] = {
        "/camera/color/image_raw": [
            image("rgb8", frame, turn * SECOND // 30, frame="color") for turn, frame in zip(turns, white, strict=True)
        ],
        "/camera/depth/image_raw": [
            image("16UC1", frame.depth_mm, turn * SECOND // 30 + SECOND // 90, frame="depth")
            for turn, frame in zip(turns, depth, strict=True)
        ],
        "/camera/color/camera_info": [lens(COLOR_SIZE, COLOR_FOCAL)],
        "/camera/depth/camera_info": [lens(DEPTH_SIZE, DEPTH_FOCAL)],
    }
    if is_calibrated:  # the place of the colour camera in the frame of that of depth
        aside = transform((APART_M, 0, 0), (0, 0, 0, 1))
        topics["/tf_static"] = [tree(("depth", "color", aside))]
    write_bag(folder, "bag", topics)


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
    bag(tmp_path, both)
    assert run(write_csv(tmp_path / "m.csv", ROW), tmp_path / "data", "--roi", roi) == 0
    record = records(tmp_path / "data")["c"]
    assert (record["registration"], record["num_frames"], record["warnings"]) == ("calibration", 6, [])
    assert record["depth_camera"] == "calibration in the file"
    assert overlap(tmp_path / "data") > 0.88


def test_without_calibration_one_frame_is_stretched_over_the_other_and_that_is_said(
    tmp_path: Path, both: tuple[list[Seen], list[Seen]]
) -> None:
    bag(tmp_path, both, is_calibrated=False)
    assert run(write_csv(tmp_path / "m.csv", ROW), tmp_path / "data") == 0
    record: dict[str, Any] = records(tmp_path / "data")["c"]
    assert record["registration"] == "stretch" and "stretched over the other" in str(record["warnings"])
    assert overlap(tmp_path / "data") < 0.8


def test_depth_alone_stays_as_it_was_measured(tmp_path: Path, both: tuple[list[Seen], list[Seen]]) -> None:
    bag(tmp_path, both)
    row = {name: value for name, value in ROW.items() if name != "recording"} | {"depth": "recorded.bag"}
    options = ("--roi", "whole", "--masks", "none")
    assert run(write_csv(tmp_path / "m.csv", row), tmp_path / "data", *options) == 0
    assert records(tmp_path / "data")["c"]["depth_size"] == list(DEPTH_SIZE)
    written = read_image(min((tmp_path / "data").rglob("*.png")))
    assert np.isin(written, both[0][0].depth_mm).all() and (written > 0).mean() > 0.9
