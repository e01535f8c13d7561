"""Bags of ROS in a manifest: one file for both streams, in step, with the camera and the unit that it tells."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.support.ros_bags import SECOND, Said, camera_info, image, write_bag
from rgbd.recording.stills.images import read_image
from rgbd.types import Depth
from tests.support.custom_runs import run, write_csv
from tests.support.processed import records
from tests.support.real import real_recordings
from tests.support.standing import FOCAL, SIZE, see_standing

DEPTH, COLOR = "/device_0/sensor_0/Depth_0", "/device_0/sensor_1/Color_0"
ALONE = {"clip": "c", "depth": "recorded.bag", "class": "stand", "split": "train"}
ROW = {"clip": "c", "recording": "recorded.bag", "class": "stand", "split": "train"}


@pytest.fixture(scope="module")
def standing() -> tuple[list[Depth], float]:
    return see_standing()


def bag(folder: Path, depth: list[Depth], unit_m: float) -> Path:
    """Write a bag as RealSense's recorder does; colour begins two frames before depth and goes on as long."""
    grey = np.full((480, 640, 3), 90, np.uint8)
    unit = round(1 / (unit_m * 1000))
    times = [9 * SECOND + turn * SECOND // 30 for turn in range(-2, len(depth))]
    topics: dict[str, list[Said]] = {
        f"{DEPTH}/image/data": [
            image("mono16", frame * np.uint16(unit), time) for frame, time in zip(depth, times[2:], strict=True)
        ],
        f"{COLOR}/image/data": [image("rgb8", grey, time) for time in times],
        f"{DEPTH}/info/camera_info": [
            camera_info(SIZE, (FOCAL, 0, 319.5, 0, FOCAL, 239.5, 0, 0, 1), "Brown Conrady", [0] * 5)
        ],
        "/device_0/sensor_0/option/Depth_Units/value": [("std_msgs/msg/Float32", {"data": unit_m})],
    }
    return write_bag(folder, "bag lz4", topics)


def test_a_bag_is_prepared_with_the_camera_and_the_unit_that_it_tells(
    tmp_path: Path, standing: tuple[list[Depth], float]
) -> None:
    depth, share = standing
    bag(tmp_path, depth, 0.0005)
    assert run(write_csv(tmp_path / "m.csv", ROW), tmp_path / "data", "--roi", "whole") == 0
    record = records(tmp_path / "data")["c"]
    assert record["mask_coverage"] == pytest.approx(share, rel=0.1)
    assert not [warning for warning in record["warnings"] if "camera" in warning]
    assert any("8 colour frames and 6 of depth were paired by time" in warning for warning in record["warnings"])


def test_frames_are_written_in_millimetres(tmp_path: Path, standing: tuple[list[Depth], float]) -> None:
    bag(tmp_path, standing[0], 0.0005)
    options = ("--masks", "none", "--roi", "whole")
    assert run(write_csv(tmp_path / "m.csv", ALONE), tmp_path / "data", *options) == 0
    written = read_image(next(iter(sorted((tmp_path / "data").rglob("*.png")))))
    near = standing[0][0]
    assert np.median(written[written > 0]) == pytest.approx(np.median(near[near > 0]), abs=20)


def test_a_unit_that_contradicts_the_file_is_refused(tmp_path: Path, standing: tuple[list[Depth], float]) -> None:
    bag(tmp_path, standing[0][:2], 0.0005)
    assert run(write_csv(tmp_path / "m.csv", ROW | {"depth_scale_mm": 1}), tmp_path / "data") == 1
    reason = records(tmp_path / "data")["c"]["reason"]
    assert "depth_scale_mm 1 contradicts the file, by which one unit of its depth is 0.5 mm" in reason
    assert run(write_csv(tmp_path / "m.csv", ROW | {"depth_scale_mm": 0.5}), tmp_path / "other", "--masks", "none") == 0


def test_depth_of_a_real_bag_is_prepared(tmp_path: Path) -> None:
    path = str(real_recordings("cameras") / "realsense.bag")
    row = ALONE | {"depth": path}
    assert run(write_csv(tmp_path / "m.csv", row), tmp_path / "data", "--masks", "none") == 0
    assert records(tmp_path / "data")["c"]["num_frames"] == 2


def test_a_file_stands_for_both_streams_in_either_way(tmp_path: Path, standing: tuple[list[Depth], float]) -> None:
    bag(tmp_path, standing[0], 0.001)
    both = {name: value for name, value in ROW.items() if name != "recording"} | {"rgb": "recorded.bag"}
    rows = (ROW, both | {"clip": "d", "depth": "recorded.bag"})
    assert run(write_csv(tmp_path / "m.csv", *rows), tmp_path / "data", "--masks", "none", "--roi", "whole") == 0
    first, second = (records(tmp_path / "data")[clip] for clip in "cd")
    assert first["num_frames"] == second["num_frames"] == 6
    assert first | {"clip": "d", "seconds": second["seconds"]} == second


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ROW | {"rgb": "recorded.bag"}, "either a recording of both streams, or rgb and depth"),
        (ROW | {"recording": "alone/recorded.bag"}, "holds no rgb; name it in the column of what it holds"),
        (
            ROW | {"depth_track": "/nowhere"},
            f"has no track '/nowhere', but {COLOR}/image/data (colour, 640x480, 4 fram",
        ),
    ],
)
def test_a_recording_that_cannot_be_meant_is_refused(
    tmp_path: Path, standing: tuple[list[Depth], float], row: dict[str, str], reason: str
) -> None:
    bag(tmp_path, standing[0][:2], 0.001)
    (tmp_path / "alone").mkdir()
    write_bag(tmp_path / "alone", "bag", {f"{DEPTH}/image/data": [image("mono16", standing[0][0], SECOND)]})
    run(write_csv(tmp_path / "m.csv", row, ALONE | {"clip": "other"}), tmp_path / "data", "--masks", "none")
    assert reason in records(tmp_path / "data")["c"]["reason"]


def test_a_track_that_is_named_is_read_and_another_one_is_another_clip(
    tmp_path: Path, standing: tuple[list[Depth], float]
) -> None:
    topics = {
        f"/{side}/depth/image_raw": [image("16UC1", standing[0][0], SECOND)] * n for side, n in (("l", 2), ("r", 3))
    }
    write_bag(tmp_path, "bag", topics)
    options = ("--masks", "none")
    assert run(write_csv(tmp_path / "m.csv", ALONE), tmp_path / "data", *options) == 1
    reason = records(tmp_path / "data")["c"]["reason"]
    assert "several tracks of depth: /l/depth/image_raw" in reason and reason.endswith("by its name: depth_track")
    for side, num_frames in (("l", 2), ("r", 3)):
        track = f"/{side}/depth/image_raw"
        assert run(write_csv(tmp_path / "m.csv", ALONE | {"depth_track": track}), tmp_path / "data", *options) == 0
        record = records(tmp_path / "data")["c"]
        assert (record["num_frames"], record["made_from"]["depth"]["track"]) == (num_frames, track)
