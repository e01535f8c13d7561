"""Which camera took depth: told by the manifest, known by the size of its frames, or in doubt, which is said."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.support.scenes import render_people, rendering_camera
from preprocess.custom.manifest import read_manifest
from preprocess.synthetic.body import Arm, Pose, joints_in_room
from preprocess.synthetic.scene import SETUPS
from rgbd.camera.sensors import find_sensor
from rgbd.dataset.layouts import CUSTOM
from rgbd.recording.stills.images import read_image, write_image
from rgbd.types import Size
from tests.support.custom_runs import run, write_csv, write_frames
from tests.support.processed import records

HANGING = Arm((5, -72), (10, -75))


def write_somebody_standing(folder: Path, sensor: str, size: Size) -> float:
    """Write depth of somebody who stands still, as a camera sees it, and return the share of the frame they cover."""
    camera = rendering_camera(find_sensor(sensor).camera(size), size)
    joints = joints_in_room(Pose((0, 3.0), 5, (HANGING, HANGING)), 1.75)
    frames = render_people(SETUPS[0], camera, lambda _: [joints], num_frames=8)
    for index, frame in enumerate(frames):
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"{index:03d}.png", frame.depth_mm)
    return float(np.mean([frame.mask.mean() for frame in frames]))


@pytest.mark.parametrize(
    ("sensor", "size"), [("d435", (424, 240)), ("azure_kinect", (320, 288)), ("kinect_v1", (320, 240))]
)
def test_people_who_stand_still_are_found_by_the_size_of_frames(sensor: str, size: Size, tmp_path: Path) -> None:
    share = write_somebody_standing(tmp_path / "depth", sensor, size)
    manifest = write_csv(tmp_path / "m.csv", {"clip": "c", "depth": "depth", "class": "stand", "split": "train"})
    assert run(manifest, tmp_path / "data") == 0
    record = records(tmp_path / "data")["c"]
    assert record["mask_coverage"] == pytest.approx(share, rel=0.1)
    assert record["depth_camera"] == find_sensor(sensor).title


def test_where_several_cameras_have_such_frames_the_manifest_tells_which(tmp_path: Path) -> None:
    share = write_somebody_standing(tmp_path / "depth", "d435", (640, 480))
    row = {"clip": "c", "depth": "depth", "class": "stand", "split": "train"}
    out = tmp_path / "data"
    run(write_csv(tmp_path / "m.csv", row), out)
    said = str(records(out)["c"])
    assert "taken for Kinect v1's, and may be that of another camera, Orbbec Femto, RealSense D435" in said
    for told in ({"camera": "RealSense D435"}, {"fx": "384", "cx": "319.5", "cy": "239.5"}, {"fx": 384, "fy": 384}):
        assert run(write_csv(tmp_path / "m.csv", row | told), out) == 0
        record = records(out)["c"]
        assert record["mask_coverage"] == pytest.approx(share, rel=0.1)
        assert not [warning for warning in record["warnings"] if "camera" in warning]
        assert record["depth_camera"] in ("RealSense D435", "fx 384 cx 319.5 cy 239.5", "fx 384 fy 384")


def test_another_camera_in_the_list_is_another_clip(tmp_path: Path) -> None:
    write_somebody_standing(tmp_path / "depth", "kinect_v1", (320, 240))
    row = {"clip": "c", "depth": "depth", "class": "stand", "split": "train", "camera": "kinect_v1"}
    out = tmp_path / "data"
    assert run(write_csv(tmp_path / "m.csv", row), out) == 0
    before = records(out)["c"]
    assert run(write_csv(tmp_path / "m.csv", row | {"camera": "l515"}), out) in (0, 1)
    after = records(out)["c"]
    assert after.get("last_failure") or after["made_from"]["depth"]["camera"] == "l515" != before


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"camera": "zed"}, "the depth camera 'zed' is not known; choose one of kinect_v2"),
        ({"camera": "d435", "fx": "400"}, "either a camera, or fx"),
        ({"cx": "320"}, "either a camera, or fx"),
        ({"fx": "-3"}, "greater than 0"),
    ],
)
def test_cameras_of_no_use_are_refused_by_row(told: dict[str, str], reason: str, tmp_path: Path) -> None:
    write_frames(tmp_path / "depth")
    row = {"clip": "c", "depth": "depth", "class": "stand", "split": "train"}
    manifest = read_manifest(write_csv(tmp_path / "m.csv", row | told))
    assert not manifest.rows and reason in manifest.reasons["c"]


@pytest.mark.parametrize("size", [(180, 320), (426, 240), (1280, 720)])
def test_colour_alone_is_kept_whole(size: Size, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3)).astype(np.uint8)
    (tmp_path / "rgb").mkdir()
    for index in range(3):
        write_image(tmp_path / "rgb" / f"{index}.jpg", picture)
    manifest = write_csv(tmp_path / "m.csv", {"clip": "c", "rgb": "rgb", "class": "stand", "split": "train"})
    assert run(manifest, tmp_path / "data") == 0
    record = records(tmp_path / "data")["c"]
    assert record["roi"] == "whole" and record["box_color_px"] == [0, 0, *size]
    assert "no body was found; the whole frame was kept" in record["warnings"]
    kept = read_image(CUSTOM.frame_path(tmp_path / "data", "rgb", "c", 0))
    assert kept.shape[1] / kept.shape[0] == pytest.approx(size[0] / size[1], rel=0.01)
