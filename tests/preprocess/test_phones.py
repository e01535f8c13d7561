"""Recordings of phones in a manifest: one file or folder for both streams, with the lens and the unit that it tells."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from imagecodecs import lzfse_encode
from PIL import Image

from rgbd.recording.stills.images import encode_image
from rgbd.types import Depth
from tests.support.custom_runs import run, write_csv
from tests.support.processed import records
from tests.support.standing import FOCAL, SIZE, see_standing
from tests.support.videos import encode

LENS = (2 * FOCAL, 2 * FOCAL, 639.5, 479.5)  # of colour, twice as large
COLOR = np.full((960, 1280, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def standing() -> tuple[list[Depth], float]:
    return see_standing()


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
    assert (record["registration"], record["depth_size"]) == ("calibration", list(SIZE))
    assert not [warning for warning in record["warnings"] if "was taken for" in warning or "paired" in warning]
