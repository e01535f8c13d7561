"""The command: raw recordings in, data set out; broken recordings named, nothing half-written, the others finished."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from rgbd.dataset.layouts import NTU
from rgbd.dataset.splits import read_class_names, read_split
from rgbd.errors import DatasetError
from rgbd.recording.stills.images import read_image, write_image
from tests.support.ntu_recordings import CLIP, OTHER_CLIP, TO_COLOR, make_recording
from tests.support.ntu_runs import run
from tests.support.processed import records


def test_writes_the_whole_data_set(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    make_recording(raw, OTHER_CLIP, two=True)
    assert run(raw, out) == 0
    (trained,) = read_split(NTU.split_file(out, "train", "CS"), NTU)
    (validated,) = read_split(NTU.split_file(out, "valid", "CS"), NTU)
    assert (trained.clip, trained.num_frames, trained.label) == (CLIP, 6, 1)
    assert (validated.clip, validated.num_frames, validated.label) == (OTHER_CLIP, 6, 0)
    for entry in (trained, validated):
        for index in range(6):
            assert read_image(NTU.frame_path(out, "rgb", entry.clip, index)).shape == (240, 320, 3)
            depth = read_image(NTU.frame_path(out, "depth", entry.clip, index))
            assert depth.shape == (240, 320) and depth.dtype == np.uint16
        assert len(list(NTU.frame_path(out, "rgb", entry.clip, 0).parent.iterdir())) == 6
    assert read_class_names(out) == NTU.class_names
    assert not list(out.rglob("*.tmp*"))
    registration = json.loads((out / "registration.json").read_text())["S001C002"]
    assert np.allclose(registration["matrix"], TO_COLOR, atol=1e-3) and registration["residual_px"] < 0.01
    record = records(out)[CLIP]
    assert (record["status"], record["roi"], record["mask_source"]) == ("done", "clip", "skeleton")
    assert record["warnings"] == [] and record["seconds"] > 0 and 0.01 < record["mask_coverage"] < 0.2


def test_colour_and_depth_of_the_output_line_up_and_hold_the_body(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    skeleton = make_recording(raw)
    assert run(raw, out) == 0
    x0, y0, x1, y1 = records(out)[CLIP]["box_color_px"]
    assert (x1 - x0) * 3 == (y1 - y0) * 4
    for index, (body,) in enumerate(skeleton):
        assert (body.color_xy >= (x0, y0)).all() and (body.color_xy < (x1, y1)).all()
        red = read_image(NTU.frame_path(out, "rgb", CLIP, index))[:, :, 0] > 170
        depth = read_image(NTU.frame_path(out, "depth", CLIP, index))
        assert set(np.unique(depth)) == {0, 2500}
        overlap = (red & (depth > 0)).sum() / (red | (depth > 0)).sum()
        assert overlap > 0.8  # a depth pixel is 4 output pixels wide here, so the edges cannot agree better


def test_legacy_crops_each_frame_as_published(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    for number in (1, 2, 3):  # official masks of the published size, the second without a body
        mask = np.zeros((424, 512), np.uint16)
        if number != 2:
            mask[150:300, 200 + 30 * number : 260 + 30 * number] = 2500
        folder = raw / "nturgb+d_depth_masked" / CLIP
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"MDepth-{number:08d}.png", mask)
    assert run(raw, out, "--roi", "legacy") == 0
    record = records(out)[CLIP]
    assert record["mask_source"] == "official" and "box_color_px" not in record and record["num_frames"] == 3
    assert [warning for warning in record["warnings"] if "no contour" in warning]
    source = [cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for frame in _video(raw / "nturgb+d_rgb" / f"{CLIP}_rgb.avi")]
    for index, left in ((0, 122), (1, 122), (2, 179)):  # centres 259 and 319 of 512, less 120
        expected = cv2.resize(
            source[index][_legacy_rows(), left : left + 240], (320, 240), interpolation=cv2.INTER_AREA
        )
        written = read_image(NTU.frame_path(out, "rgb", CLIP, index)).astype(int)
        assert np.abs(written - expected).mean() < 6  # JPEG, quality 75
        assert read_image(NTU.frame_path(out, "depth", CLIP, index)).shape == (424, 512)


def _legacy_rows() -> slice:
    return slice(75, 75 + 134)  # centre 224 of 424 is 142 of 270, half of 270 // 2 above and below


def _video(path: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1])
    return frames


def test_official_masks_are_used_as_they_are(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    folder = raw / "nturgb+d_depth_masked" / CLIP
    folder.mkdir(parents=True)
    for number in range(1, 7):
        write_image(folder / f"MDepth-{number:08d}.png", np.full((106, 128), 1234, np.uint16))
    assert run(raw, out) == 0
    assert records(out)[CLIP]["mask_source"] == "official"
    assert set(np.unique(read_image(NTU.frame_path(out, "depth", CLIP, 0)))) <= {0, 1234}


def test_clip_without_skeleton_uses_its_cameras_registration_and_the_background(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    skeleton = make_recording(raw, rgb_frames=20, depth_frames=20, skeleton=False)
    make_recording(raw, OTHER_CLIP)
    make_recording(raw, "S009C001P001R001A001", skeleton=False)
    assert run(raw, out) == 0
    record = records(out)[CLIP]
    assert (record["mask_source"], record["registration"]) == ("depth", "joints")
    assert "the skeleton is missing" in record["warnings"]
    x0, _, x1, _ = record["box_color_px"]
    hands = np.concatenate([body.color_xy for (body,) in skeleton])[:, 0]
    assert x0 < hands.min() and x1 > hands.max()  # who moves is found where they are
    other = records(out)["S009C001P001R001A001"]
    assert other["registration"] == "nominal" and [warning for warning in other["warnings"] if "Kinect v2" in warning]


@pytest.mark.parametrize(("rgb_frames", "depth_frames"), [(8, 5), (5, 8)])
def test_streams_of_different_length_keep_their_common_prefix(
    tmp_path: Path, rgb_frames: int, depth_frames: int
) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw, rgb_frames=rgb_frames, depth_frames=depth_frames)
    assert run(raw, out) == 0
    record = records(out)[CLIP]
    assert (record["num_frames"], record["rgb_frames_in"], record["depth_frames_in"]) == (5, rgb_frames, depth_frames)
    assert f"{rgb_frames} colour frames but {depth_frames} of depth" in record["warnings"][0]
    assert len(list(out.glob(f"Images/{CLIP}_rgb/*"))) == len(list(out.glob(f"nturgb+d_depth_masked/{CLIP}/*"))) == 5


@pytest.mark.parametrize("make", [lambda _: None, lambda raw: raw.mkdir()])
def test_missing_or_empty_raw_folder_says_what_was_expected(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "raw")
    with pytest.raises(DatasetError, match=r"(?s)raw: .*nturgb\+d_rgb/<clip>_rgb\.avi"):
        run(tmp_path / "raw", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def command(raw: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-m", "preprocess.ntu", "--raw", str(raw), "--out", str(out), *options]
    return subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, start_new_session=True)


def test_command_line_exit_codes_with_a_process_pool(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    make_recording(raw, OTHER_CLIP)
    frame = raw / "nturgb+d_depth" / CLIP / "Depth-00000004.png"
    frame.write_bytes(frame.read_bytes()[:200])
    process = command(raw, out, "--jobs", "2")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"failed: {CLIP}" in errors and "1 of 2 clips done" in errors
    process = command(tmp_path / "nowhere", out)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2 and "is not a folder" in errors
