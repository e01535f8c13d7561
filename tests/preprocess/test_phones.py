"""Recordings of phones in a manifest: one file or folder for both streams, with the lens and the unit that it tells."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from imagecodecs import lzfse_encode
from PIL import Image

from benchmarks.support.scenes import render_people, rendering_camera
from preprocess.synthetic.body import Arm, Pose, joints_in_room
from preprocess.synthetic.scene import SETUPS
from rgbd.camera.sensors import find_sensor
from rgbd.recording.stills.images import encode_image
from rgbd.types import Depth
from tests.support.custom_runs import run, write_csv
from tests.support.processed import records
from tests.support.videos import encode

SIZE, FOCAL = (640, 480), 384.0  # of a D435, which a Kinect v1 has frames of the size of, but not the focal length
LENS = (2 * FOCAL, 2 * FOCAL, 639.5, 479.5)  # of colour, twice as large
COLOR = np.full((960, 1280, 3), 90, np.uint8)
HANGING = Arm((5, -72), (10, -75))


@pytest.fixture(scope="module")
def standing() -> tuple[list[Depth], float]:
    """Return depth of somebody who stands still, as a D435 sees it, and the share of the frame they cover."""
    camera = rendering_camera(find_sensor("d435").camera(SIZE), SIZE)
    joints = joints_in_room(Pose((0, 3.0), 5, (HANGING, HANGING)), 1.75)
    frames = render_people(SETUPS[0], camera, lambda _: [joints], num_frames=6)
    return [frame.depth_mm for frame in frames], float(np.mean([frame.mask.mean() for frame in frames]))


def record3d(folder: Path, depth: list[Depth]) -> str:
    fx, fy, cx, cy = LENS
    metadata = {"w": 1280, "h": 960, "dw": 640, "dh": 480, "fps": 30, "K": [fx, 0, 0, 0, fy, 0, cx, cy, 1]}
    with zipfile.ZipFile(folder / "scan.r3d", "w") as archive:
        archive.writestr("metadata", json.dumps(metadata))
        for index, frame in enumerate(depth):
            archive.writestr(f"rgbd/{index}.jpg", encode_image(".jpg", COLOR))
            archive.writestr(f"rgbd/{index}.depth", lzfse_encode((frame / np.float32(1000)).tobytes()))
    return "scan.r3d"


def stray_folder(folder: Path, depth: list[Depth]) -> str:
    path = folder / "scan"
    encode(path / "rgb.mp4", "libx264", "yuv420p", [COLOR] * len(depth))
    (path / "depth").mkdir()
    for index, frame in enumerate(depth):
        Image.fromarray(frame).save(path / "depth" / f"{index:06d}.png")
    fx, fy, cx, cy = LENS
    (path / "camera_matrix.csv").write_text(f"{fx}, 0, {cx}\n0, {fy}, {cy}\n0, 0, 1")
    rows = [f"{50 + index / 30}, {index:06d}, 0, 0, 0, 0, 0, 0, 1" for index in range(len(depth))]
    (path / "odometry.csv").write_text("\n".join(["timestamp, frame, x, y, z, qx, qy, qz, qw", *rows]))
    return "scan"


def stray_zip(folder: Path, depth: list[Depth]) -> str:
    path = folder / stray_folder(folder, depth)
    with zipfile.ZipFile(folder / "scan.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in path.rglob("*"):
            archive.write(file, file.relative_to(folder))
    return "scan.zip"


@pytest.mark.parametrize("write", [record3d, stray_folder, stray_zip])
def test_a_recording_is_prepared_with_the_lens_and_the_unit_that_it_tells(
    tmp_path: Path, standing: tuple[list[Depth], float], write: Callable[[Path, list[Depth]], str]
) -> None:
    depth, share = standing
    row = {"clip": "c", "recording": write(tmp_path, depth), "class": "stand", "split": "train"}
    assert run(write_csv(tmp_path / "m.csv", row), tmp_path / "data", "--roi", "whole") == 0
    record = records(tmp_path / "data")["c"]
    assert (record["num_frames"], record["mask_coverage"]) == (len(depth), pytest.approx(share, rel=0.1))
    assert not [warning for warning in record["warnings"] if "was taken for" in warning or "paired" in warning]
