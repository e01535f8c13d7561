"""Recordings that were cut or damaged: none is done short without a word."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preprocess import nvgesture, thu_read
from rgbd.dataset.layouts import NTU
from rgbd.recording.skeletons.ntu_skeleton import write_skeleton
from rgbd.recording.stills.images import write_image
from rgbd.recording.videos.video import write_video
from tests.support import custom_runs, ntu_runs
from tests.support.ntu_recordings import CLIP, OTHER_CLIP, make_recording
from tests.support.processed import records
from tests.support.videos import NUM_FRAMES, damaged, ffv1_depth, h264_for_streaming, xvid

WHOLE = ("--roi", "whole", "--masks", "none")


@pytest.mark.parametrize(("write", "stream"), [(xvid, "rgb"), (h264_for_streaming, "rgb"), (ffv1_depth, "depth")])
def test_no_damaged_file_is_done_in_silence(tmp_path: Path, write: Callable[[Path], Path], stream: str) -> None:
    path = write(tmp_path / "raw")
    content = path.read_bytes()
    rows = [{"clip": "whole", stream: path.name, "class": "wave", "split": "train"}]
    told: dict[str, str] = {}
    for number, (what, broken) in enumerate(damaged(content)):
        told[f"clip{number}"] = what
        (path.parent / f"{number}{path.suffix}").write_bytes(broken)
        rows.append(rows[0] | {"clip": f"clip{number}", stream: f"{number}{path.suffix}"})
    manifest = custom_runs.write_csv(path.parent / "clips.csv", *rows)
    assert custom_runs.run(manifest, tmp_path / "strict", *WHOLE) == 1
    by_clip = records(tmp_path / "strict")
    assert by_clip.pop("whole")["status"] == "done"
    # A byte that has turned may leave no trace, and then no frame is missing.
    assert {told[clip] for clip, record in by_clip.items() if record["status"] == "done"} <= {"1 bytes turned at 20%"}
    assert all(record["num_frames"] == NUM_FRAMES for record in by_clip.values() if record["status"] == "done")
    assert any("or take what there is of it: --accept-short" in record["reason"] for record in by_clip.values())
    custom_runs.run(manifest, tmp_path / "short", "--accept-short", *WHOLE)
    by_clip = records(tmp_path / "short")
    assert by_clip.pop("whole")["warnings"] == []
    done = [record for clip, record in by_clip.items() if record["status"] == "done" and "1 byte" not in told[clip]]
    assert len(done) >= len(by_clip) - 2 and all(record["warnings"] for record in done)
    assert any(record["num_frames"] < NUM_FRAMES for record in done)


def test_half_of_an_ntu_video(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    for clip in (CLIP, OTHER_CLIP):
        make_recording(raw, clip, rgb_frames=20, depth_frames=20)
    video = raw / "nturgb+d_rgb" / f"{CLIP}_rgb.avi"
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    assert ntu_runs.run(raw, out) == 1
    by_clip = records(out)
    assert by_clip[OTHER_CLIP]["status"] == "done" and by_clip[OTHER_CLIP]["warnings"] == []
    assert by_clip[CLIP]["status"] == "failed" and "of the 20 frames" in by_clip[CLIP]["reason"]
    assert ntu_runs.output_of(out, CLIP) == []
    # The same command with the option takes up what has failed, and says what is missing.
    assert ntu_runs.run(raw, out, "--accept-short") == 0
    record = records(out)[CLIP]
    assert 5 < record["num_frames"] < 15 and any("of the 20 frames" in warning for warning in record["warnings"])
    assert NTU.frame_path(out, "rgb", CLIP, record["num_frames"] - 1).exists()


def test_depth_that_lacks_a_half_of_its_skeleton_s_frames(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    skeleton = make_recording(raw, rgb_frames=20, depth_frames=20)
    for number in range(12, 21):
        (raw / "nturgb+d_depth" / CLIP / f"Depth-{number:08d}.png").unlink()
    assert ntu_runs.run(raw, out) == 1
    reason = records(out)[CLIP]["reason"]
    assert "has 11 frames, its skeleton 20; copy both again, or take what there is of it: --accept-short" in reason
    assert ntu_runs.run(raw, out, "--accept-short") == 0
    assert any("the skeleton has 20 frames" in warning for warning in records(out)[CLIP]["warnings"])
    # One that the sensor was a little late with is odd, and no more.
    write_skeleton(raw / "nturgb+d_skeletons" / f"{CLIP}.skeleton", skeleton[:13])
    assert ntu_runs.run(raw, tmp_path / "other") == 0


def test_a_list_that_asks_for_more_than_there_is(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    folder = raw / "Video_data" / "class_01" / "subject1_r0"
    for stream in ("color", "depth"):
        write_video(folder / f"sk_{stream}.avi", [np.full((24, 32, 3), 2 * index, np.uint8) for index in range(100)])
    line = "path:./Video_data/class_01/subject1_r0 depth:sk_depth:80:160 color:sk_color:80:160 label:1\n"
    (raw / "nvgesture_train_correct.lst").write_text(line)
    run = ["--raw", str(raw), "--out", str(out), "--jobs", "1"]
    assert nvgesture.main(run) == 1
    reason = records(out)["class_01/subject1_r0"]["reason"]
    assert "sk_color.avi: has 20 of the 80 frames, 80 to 159, that are wanted" in reason
    assert nvgesture.main([*run, "--accept-short"]) == 0
    record = records(out)["class_01/subject1_r0"]
    assert record["num_frames"] == 20 and "20 of the 80 frames" in record["warnings"][0]


def test_a_frame_that_is_missing_among_numbered_ones(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    (custom_runs.write_frames(raw / "depth", 40) / "00017.png").unlink()
    row = {"clip": "a", "depth": "depth", "class": "wave", "split": "train"}
    manifest = custom_runs.write_csv(raw / "clips.csv", row)
    assert custom_runs.run(manifest, out, *WHOLE) == 1
    assert "depth: lacks frame number 17, of 1 to 40" in records(out)["a"]["reason"]
    assert custom_runs.run(manifest, out, *WHOLE, "--accept-short") == 0
    assert "lacks frame number 17" in records(out)["a"]["warnings"][0]


def test_a_unit_that_no_sensor_has(tmp_path: Path) -> None:
    custom_runs.write_frames(tmp_path / "near")  # at 0.9 m
    row = {"depth": "near", "class": "wave", "split": "train"}
    scales = {"right": 1, "huge": 1e9, "wrong": 30, "odd": 0.5, "metres": 1000}
    rows = [row | {"clip": clip, "depth_scale_mm": scale} for clip, scale in scales.items()]
    manifest = custom_runs.write_csv(tmp_path / "clips.csv", *rows)
    assert custom_runs.run(manifest, tmp_path / "data", *WHOLE) == 1
    by_clip = records(tmp_path / "data")
    assert {clip for clip, record in by_clip.items() if record["status"] == "done"} == {"right", "odd"}
    assert by_clip["right"]["warnings"] == []
    assert "farther than 0.45 m at 0.5 mm a unit" in by_clip["odd"]["warnings"][0]
    assert "no camera's unit of depth" in by_clip["huge"]["reason"]
    for clip in ("wrong", "metres"):
        assert "sensors measure 0.1 to 20 m" in by_clip[clip]["reason"]


def test_depth_as_colour_is_refused(tmp_path: Path) -> None:
    path = ffv1_depth(tmp_path)
    row = {"clip": "a", "rgb": path.name, "class": "wave", "split": "train"}
    assert custom_runs.run(custom_runs.write_csv(tmp_path / "clips.csv", row), tmp_path / "data", *WHOLE) == 1
    assert "holds 16-bit depth, and no colour; give it as depth" in records(tmp_path / "data")["a"]["reason"]


def test_thu_read_s_depth_has_16_bits(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    xvid(raw).rename(raw / "RGB_stir_gs_1.avi")
    (raw / "D_stir_gs_1").mkdir()
    for index in range(NUM_FRAMES):
        write_image(raw / "D_stir_gs_1" / f"{index:03d}.jpg", np.full((24, 32, 3), 90, np.uint8))
    assert thu_read.main(["--raw", str(raw), "--out", str(out), "--jobs", "1"]) == 1
    assert "D_stir_gs_1: holds 8-bit images; this data set's depth is 16-bit" in records(out)["stir_gs_1"]["reason"]
