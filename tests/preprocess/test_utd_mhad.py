"""UTD-MHAD: from its MATLAB files and videos to frames, split files and records."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from preprocess.utd_mhad import main, read_skeleton
from rgbd.dataset.layouts import UTD_MHAD
from rgbd.dataset.splits import read_class_names, read_split
from rgbd.errors import DatasetError
from rgbd.recording.skeletons.joint_layout import KINECT_V1
from rgbd.recording.stills.images import read_image
from tests.support.processed import records
from tests.support.real import real_recordings
from tests.support.utd_mhad import NUM_FRAMES, make_clip


def run(raw: Path, out: Path, *options: str) -> int:
    return main(["--raw", str(raw), "--out", str(out), "--jobs", "1", *options])


def test_depth_is_kept_as_it_is_and_cropped_around_the_skeleton(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    for clip in ("a1_s1_t1", "a27_s2_t4", "a10_s3_t1"):
        make_clip(raw, clip)
    (raw / "Depth" / "._a1_s1_t1_depth.mat").write_bytes(b"what a foreign file system leaves behind")
    assert run(raw, out) == 0
    assert [entry.clip for entry in read_split(UTD_MHAD.split_file(out, "train", ""), UTD_MHAD)] == [
        "a10_s3_t1",
        "a1_s1_t1",
    ]
    (entry,) = read_split(UTD_MHAD.split_file(out, "valid", ""), UTD_MHAD)
    assert (entry.clip, entry.num_frames, entry.label) == ("a27_s2_t4", NUM_FRAMES, 26)
    names = read_class_names(out)
    assert names is not None and len(names) == 27 and names[26] == "squat"
    for record in records(out).values():
        assert (record["mask_source"], record["empty_masks"], record["warnings"]) == ("official", 0, [])
        x0, y0, x1, y1 = record["box_depth_px"]
        assert x1 - x0 < 320 and y1 - y0 < 240
    frame = read_image(UTD_MHAD.frame_path(out, "depth", "a1_s1_t1", 4))
    assert frame.shape == (240, 320) and set(np.unique(frame)) == {0, 2400}


def test_colour_that_is_there_lies_stretched_over_depth(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_clip(raw, "a1_s1_t1", color=True)
    make_clip(raw, "a1_s2_t1")
    assert run(raw, out) == 1
    by_clip = records(out)
    assert "has no rgb, unlike other clips" in by_clip["a1_s2_t1"]["reason"]
    record = by_clip["a1_s1_t1"]
    assert record["streams"] == ["rgb", "depth"] and record["registration"] == "stretch"
    assert record["box_color_px"] == [2 * side for side in record["box_depth_px"]]
    assert run(raw, tmp_path / "depth", "--streams", "depth") == 0


def test_a_clip_without_a_skeleton_follows_its_depth(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_clip(raw, "a1_s1_t1", skeleton=False)
    assert run(raw, out) == 0
    record = records(out)["a1_s1_t1"]
    assert record["warnings"] == ["the skeleton is missing"] and record["empty_masks"] == 0


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    for clip in ("a1_s1_t1", "a28_s1_t1", "a1_s9_t1", "a1_s3_t1", "a1_s4_t1"):
        make_clip(raw, clip)
    savemat(raw / "Skeleton" / "a1_s3_t1_skeleton.mat", {"d_skel": np.zeros((25, 3, 5))})
    path = raw / "Depth" / "a1_s4_t1_depth.mat"
    path.write_bytes(path.read_bytes()[:-100])
    assert run(raw, out) == 1
    reasons = {clip: record.get("reason", "") for clip, record in records(out).items()}
    assert not reasons["a1_s1_t1"]
    assert "is of action 28, there are 27 classes" in reasons["a28_s1_t1"]
    assert "a performer from 1 to 8" in reasons["a1_s9_t1"]
    assert "d_skel is [25, 3, 5], expected [20, 3, frames]" in reasons["a1_s3_t1"]
    assert "bytes too early" in reasons["a1_s4_t1"]
    with pytest.raises(DatasetError, match="holds no recordings; expected any of"):
        run(tmp_path / "data", tmp_path / "other")


def test_zeros_of_joints_that_were_lost_widen_no_box(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    make_clip(raw, "a1_s1_t1")
    assert run(raw, tmp_path / "whole") == 0
    path = raw / "Skeleton" / "a1_s1_t1_skeleton.mat"
    skeleton = read_skeleton(path, (320, 240), None)
    joints = np.stack([bodies[0].joints_m for bodies in skeleton], axis=2)[[3, 2, 1, 0, *range(4, 20)]]
    joints[10] = 0
    savemat(path, {"d_skel": joints.astype(float)})
    assert run(raw, tmp_path / "lost") == 0
    boxes = [records(tmp_path / name)["a1_s1_t1"]["box_depth_px"] for name in ("whole", "lost")]
    np.testing.assert_allclose(*boxes, atol=8)


def test_real_clips_are_whole_and_their_skeletons_lie_on_them(tmp_path: Path) -> None:
    raw = real_recordings("utd_mhad")
    assert run(raw, tmp_path / "data", "--only", "a2[24]_s[34]_t1") == 0
    by_clip = {clip: record for clip, record in records(tmp_path / "data").items() if record["status"] == "done"}
    assert len(by_clip) == 4
    for clip, record in by_clip.items():
        assert (record["empty_masks"], record["warnings"]) == (0, [])
        for index in range(0, record["num_frames"], 10):
            frame = read_image(UTD_MHAD.frame_path(tmp_path / "data", "depth", clip, index))
            assert (frame > 0).mean() > 0.05
    skeleton = read_skeleton(raw / "Skeleton" / "a24_s3_t1_skeleton.mat", (320, 240), None)
    assert {body.layout for bodies in skeleton for body in bodies} == {KINECT_V1}
