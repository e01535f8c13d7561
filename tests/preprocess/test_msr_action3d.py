"""MSR-Action3D: from its .bin files and skeletons to frames in millimetres, split files and records."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from preprocess import utd_mhad
from preprocess.msr_action3d import main
from rgbd.camera.sensors import find_sensor
from rgbd.dataset.layouts import MSR_ACTION3D, UTD_MHAD
from rgbd.dataset.splits import read_class_names, read_split
from rgbd.errors import DatasetError
from rgbd.recording.numeric.matlab import read_matlab_array
from rgbd.recording.stills.images import read_image
from tests.support.msr_action3d import UNIT_MM, write_depth, write_skeleton
from tests.support.processed import records
from tests.support.real import real_recordings

# Metres right of and above the hips, in the data set's order: shoulders, between them, spine, hips, their middle,
# elbows, wrists, hands, knees, ankles, feet, head.
POSE = [(-0.2, 0.4), (0.2, 0.4), (0, 0.45), (0, 0.1), (-0.1, -0.1), (0.1, -0.1), (0, 0), (-0.25, 0.15), (0.25, 0.15)]
POSE += [(-0.25, -0.1), (0.25, -0.1), (-0.25, -0.15), (0.25, -0.15), (-0.1, -0.5), (0.1, -0.5), (-0.1, -0.9)]
POSE += [(0.1, -0.9), (-0.1, -0.95), (0.1, -0.95), (0, 0.65)]
NUM_FRAMES = 5
DISTANCE_MM = 2400


def figure() -> tuple[list[NDArray[np.int64]], NDArray[np.float64]]:
    """Return depth in the file's unit, and the joints, of somebody who walks to the right, 2.5 m away."""
    frames, joints = [], []
    for index in range(NUM_FRAMES):
        depth = np.zeros((240, 320), np.int64)
        joints_m = np.column_stack([np.add(POSE, (0.1 * index, 0)), np.full(20, 2.5)])
        for x, y in find_sensor("kinect_v1").camera((320, 240)).project(joints_m.astype(np.float32)).astype(int):
            depth[max(0, y - 12) : y + 12, x - 12 : x + 12] = DISTANCE_MM // UNIT_MM
        frames.append(depth)
        joints.append(joints_m)
    return frames, np.array(joints)


def make_clip(raw: Path, clip: str, joints_m: NDArray[np.float64] | None = None, *, skeleton: bool = True) -> Path:
    """Write one clip as the archives unpack, with these joints instead of the figure's own; return its depth."""
    frames, joints = figure()
    if skeleton:
        path = raw / "MSRAction3DSkeletonReal3D" / f"{clip}_skeleton3D.txt"
        write_skeleton(path, joints if joints_m is None else joints_m)
    return write_depth(raw / "Depth" / f"{clip}_sdepth.bin", frames)


def run(raw: Path, out: Path, *options: str) -> int:
    return main(["--raw", str(raw), "--out", str(out), "--jobs", "1", *options])


def box(raw: Path, out: Path) -> list[int]:
    assert run(raw, out) == 0
    (record,) = records(out).values()
    found: list[int] = record["box_depth_px"]
    return found


def test_depth_is_written_in_millimetres_and_cropped_around_the_skeleton(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_clip(raw, "a01_s01_e01")
    (raw / "Depth" / "._a01_s01_e01_sdepth.bin").write_bytes(b"what a foreign file system leaves behind")
    assert run(raw, out) == 0
    record = records(out)["a01_s01_e01"]
    assert (record["mask_source"], record["empty_masks"], record["warnings"]) == ("official", 0, [])
    assert (record["num_frames"], record["depth_frames_in"], record["depth_size"]) == (
        NUM_FRAMES,
        NUM_FRAMES,
        [320, 240],
    )
    x0, y0, x1, y1 = record["box_depth_px"]
    assert x1 - x0 < 320 and y1 - y0 < 240
    frame = read_image(MSR_ACTION3D.frame_path(out, "depth", "a01_s01_e01", 4))
    assert frame.shape == (240, 320) and set(np.unique(frame)) == {0, DISTANCE_MM}
    assert run(raw, tmp_path / "all", "--masks", "none", "--roi", "whole") == 0
    whole = read_image(MSR_ACTION3D.frame_path(tmp_path / "all", "depth", "a01_s01_e01", 4))
    np.testing.assert_array_equal(whole, figure()[0][4] * UNIT_MM)


def test_odd_performers_train_in_all_actions_and_in_each_subset(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    for clip in ("a01_s01_e01", "a04_s04_e01", "a06_s10_e02", "a13_s09_e02", "a15_s07_e03", "a20_s02_e03"):
        make_clip(raw, clip, skeleton=False)
    assert run(raw, out) == 0
    listed = {
        (protocol, split): {
            (entry.clip, entry.label)
            for entry in read_split(MSR_ACTION3D.split_file(out, split, protocol), MSR_ACTION3D)
        }
        for protocol in ("CS", "AS1", "AS2", "AS3")
        for split in ("train", "valid")
    }
    wave, catch, throw = ("a01_s01_e01", 0), ("a04_s04_e01", 3), ("a06_s10_e02", 5)
    bend, kick, pick_up = ("a13_s09_e02", 12), ("a15_s07_e03", 14), ("a20_s02_e03", 19)
    assert listed == {
        ("CS", "train"): {wave, bend, kick},
        ("CS", "valid"): {catch, throw, pick_up},
        ("AS1", "train"): {bend},
        ("AS1", "valid"): {throw, pick_up},
        ("AS2", "train"): {wave},
        ("AS2", "valid"): {catch},
        ("AS3", "train"): {kick},
        ("AS3", "valid"): {throw, pick_up},
    }
    names = read_class_names(out)
    assert names is not None and len(names) == 20 and names[19] == "pick up & throw"


def test_the_published_counts_are_those_of_567_recordings() -> None:
    assert sum(MSR_ACTION3D.counts["CS"].values()) == 567


def test_a_clip_without_a_skeleton_follows_its_depth(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_clip(raw, "a01_s01_e01", skeleton=False)
    assert run(raw, out) == 0
    record = records(out)["a01_s01_e01"]
    assert record["warnings"] == ["the skeleton is missing"] and record["empty_masks"] == 0


@pytest.mark.parametrize(
    ("of_no_use", "warning"),
    [
        (lambda joints: joints * 0, "no joint of the skeleton has a place"),
        (lambda joints: joints + np.array([1.2, 0, 0]), "the skeleton lies beside the body in 5 of 5 frames"),
        (
            lambda joints: np.concatenate([joints[:4], joints[4:] - np.array([0.9, 0, 0])]),
            "beside the body in 1 of 5 frames",
        ),
    ],
)
def test_a_skeleton_that_is_not_the_body_s_moves_no_box(tmp_path: Path, of_no_use: object, warning: str) -> None:
    assert callable(of_no_use)
    make_clip(tmp_path / "raw", "a13_s09_e02", of_no_use(figure()[1]))
    make_clip(tmp_path / "without", "a13_s09_e02", skeleton=False)
    assert box(tmp_path / "raw", tmp_path / "data") == box(tmp_path / "without", tmp_path / "other")
    (found,) = records(tmp_path / "data")["a13_s09_e02"]["warnings"]
    assert warning in found and found.endswith("the box follows the depth")


def test_zeros_of_joints_that_were_lost_widen_no_box(tmp_path: Path) -> None:
    joints = figure()[1]
    joints[:, 12] = 0
    make_clip(tmp_path / "raw", "a01_s01_e01", joints)
    make_clip(tmp_path / "whole", "a01_s01_e01")
    np.testing.assert_allclose(
        box(tmp_path / "raw", tmp_path / "data"), box(tmp_path / "whole", tmp_path / "other"), atol=8
    )
    assert records(tmp_path / "data")["a01_s01_e01"]["warnings"] == []


def test_a_file_that_was_cut_is_not_done_short(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    path = make_clip(raw, "a01_s01_e01")
    path.write_bytes(path.read_bytes()[:-1])
    assert run(raw, out) == 1
    assert "holds 4 of the 5 frames that its header promises" in records(out)["a01_s01_e01"]["reason"]
    assert run(raw, out, "--accept-short") == 0
    record = records(out)["a01_s01_e01"]
    assert record["num_frames"] == 4
    assert any("holds 4 of the 5 frames that its header promises" in warning for warning in record["warnings"])


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    for clip in ("a01_s01_e01", "a21_s01_e01", "a01_s11_e01", "wave", "a02_s01_e01", "a03_s01_e01", "a04_s01_e01"):
        make_clip(raw, clip)
    write_depth(raw / "again" / "a02_s01_e01_sdepth.bin", figure()[0])
    skeletons = raw / "MSRAction3DSkeletonReal3D"
    (skeletons / "a03_s01_e01_skeleton3D.txt").write_text("0.1 0.2 2.5 1.0\n" * 21)
    (skeletons / "a04_s01_e01_skeleton3D.txt").write_text("0.1 0.2 far 1.0\n" * 20)
    assert run(raw, out) == 1
    reasons = {clip: record.get("reason", "") for clip, record in records(out).items()}
    assert not reasons["a01_s01_e01"]
    assert "is of action 21, there are 20 classes" in reasons["a21_s01_e01"]
    assert "a performer from 01 to 10" in reasons["a01_s11_e01"] and "is not called" in reasons["wave"]
    assert "is there several times" in reasons["a02_s01_e01"] and "again" in reasons["a02_s01_e01"]
    assert "has 21 lines of 4 numbers; expected 20 lines a frame" in reasons["a03_s01_e01"]
    assert "could not convert string 'far'" in reasons["a04_s01_e01"]
    with pytest.raises(DatasetError, match="holds no recordings; expected these files"):
        run(tmp_path / "data", tmp_path / "other")
    with pytest.raises(DatasetError, match="has no colour; choose the stream depth"):
        MSR_ACTION3D.frame_path(out, "rgb", "a01_s01_e01", 0)


def test_a_real_kinect_s_depth_and_skeleton_are_the_same_in_these_files(tmp_path: Path) -> None:
    utd = real_recordings("utd_mhad")
    depth_mm = np.moveaxis(read_matlab_array(utd / "Depth" / "a21_s3_t1_depth.mat", "d_depth"), 2, 0)
    joints_m = np.moveaxis(read_matlab_array(utd / "Skeleton" / "a21_s3_t1_skeleton.mat", "d_skel"), 2, 0)
    # UTD-MHAD's: head, shoulders, spine, hips; left shoulder, elbow, wrist, hand; right arm; left leg; right leg.
    order = [8, 4, 1, 2, 16, 12, 3, 9, 5, 10, 6, 11, 7, 17, 13, 18, 14, 19, 15, 0]
    raw, out = tmp_path / "raw", tmp_path / "data"
    write_depth(raw / "a20_s03_e01_sdepth.bin", list(np.rint(depth_mm / UNIT_MM).astype(int)))
    write_skeleton(raw / "a20_s03_e01_skeleton3D.txt", joints_m[:, order])
    assert run(raw, out) == 0
    assert utd_mhad.main(["--raw", str(utd), "--out", str(tmp_path / "utd"), "--only", "a21_s3_t1", "--jobs", "1"]) == 0
    ours, theirs = records(out)["a20_s03_e01"], records(tmp_path / "utd")["a21_s3_t1"]
    assert ours["warnings"] == theirs["warnings"] and ours["num_frames"] == theirs["num_frames"]
    np.testing.assert_allclose(ours["box_depth_px"], theirs["box_depth_px"], atol=2)
    frames = [
        read_image(layout.frame_path(folder, "depth", clip, 10)).astype(int)
        for layout, folder, clip in ((MSR_ACTION3D, out, "a20_s03_e01"), (UTD_MHAD, tmp_path / "utd", "a21_s3_t1"))
    ]
    assert np.abs(np.subtract(*frames)).max() <= UNIT_MM / 2
