"""Broken recordings: each is named with its reason and leaves nothing half-written, and the others finish."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rgbd.dataset.layouts import NTU
from rgbd.dataset.splits import read_class_names, read_split
from rgbd.recording.skeletons.ntu_skeleton import write_skeleton
from rgbd.recording.stills.images import write_image
from tests.support.ntu_recordings import CLIP, OTHER_CLIP, body_at, make_recording
from tests.support.ntu_runs import output_of, run
from tests.support.processed import records


def break_missing_png(raw: Path) -> str:
    (raw / "nturgb+d_depth" / CLIP / "Depth-00000003.png").unlink()
    return "Depth-00000003.png: is missing"


def break_truncated_png(raw: Path) -> str:
    path = raw / "nturgb+d_depth" / CLIP / "Depth-00000004.png"
    path.write_bytes(path.read_bytes()[:200])
    return "Depth-00000004.png: the image is truncated"


def break_empty_png(raw: Path) -> str:
    (raw / "nturgb+d_depth" / CLIP / "Depth-00000005.png").write_bytes(b"")
    return "Depth-00000005.png: not a readable JPEG or PNG"


def break_size(raw: Path) -> str:
    write_image(raw / "nturgb+d_depth" / CLIP / "Depth-00000003.png", np.zeros((50, 128), np.uint16))
    return "Depth-00000003.png: is 128x50, the frames before are 128x106"


def break_eight_bit_png(raw: Path) -> str:
    write_image(raw / "nturgb+d_depth" / CLIP / "Depth-00000002.png", np.zeros((106, 128), np.uint8))
    return "Depth-00000002.png: expected 16-bit depth"


def break_no_depth(raw: Path) -> str:
    for path in (raw / "nturgb+d_depth" / CLIP).iterdir():
        path.unlink()
    return "holds no Depth-%08d.png"


def break_no_video(raw: Path) -> str:
    (raw / "nturgb+d_rgb" / f"{CLIP}_rgb.avi").unlink()
    return "has no rgb, unlike other clips"


def break_empty_video(raw: Path) -> str:
    (raw / "nturgb+d_rgb" / f"{CLIP}_rgb.avi").write_bytes(b"")
    return f"{CLIP}_rgb.avi: cannot be opened"


def break_headless_video(raw: Path) -> str:
    path = raw / "nturgb+d_rgb" / f"{CLIP}_rgb.avi"
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"movi") + 4])
    return f"{CLIP}_rgb.avi"


def break_skeleton(raw: Path) -> str:
    path = raw / "nturgb+d_skeletons" / f"{CLIP}.skeleton"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:40]))
    return f"{CLIP}.skeleton, line 41: the file ends"


BREAKS = [
    break_missing_png,
    break_truncated_png,
    break_empty_png,
    break_size,
    break_eight_bit_png,
    break_no_depth,
    break_no_video,
    break_empty_video,
    break_headless_video,
    break_skeleton,
]


@pytest.mark.parametrize("break_recording", BREAKS)
def test_broken_clip_is_named_and_the_others_finish(
    tmp_path: Path, break_recording: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    make_recording(raw, OTHER_CLIP)
    reason = break_recording(raw)
    assert run(raw, out) == 1
    by_clip = records(out)
    assert by_clip[CLIP]["status"] == "failed" and reason in by_clip[CLIP]["reason"]
    assert by_clip[OTHER_CLIP]["status"] == "done"
    assert output_of(out, CLIP) == []
    assert NTU.split_file(out, "train", "CS").read_text() == ""
    assert len(read_split(NTU.split_file(out, "valid", "CS"), NTU)) == 1
    assert f"failed: {CLIP}" in capsys.readouterr().err


def test_foreign_names_and_actions_without_a_name_are_failures_not_silence(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    make_recording(raw, OTHER_CLIP)
    make_recording(raw, "holiday")
    (raw / "class_names.txt").write_text("wave\n")
    assert run(raw, out) == 1
    by_clip = records(out)
    assert "not the name of an NTU clip" in by_clip["holiday"]["reason"]
    assert "class_names.txt names 1" in by_clip[CLIP]["reason"]
    assert by_clip[OTHER_CLIP]["status"] == "done"
    assert read_class_names(out) == ("wave",)


@pytest.mark.parametrize("num_bodies", [0, 6])
def test_any_number_of_bodies_will_do(tmp_path: Path, num_bodies: int) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw, rgb_frames=12, depth_frames=12)
    phantoms = [replace(body_at(0.2 * number - 0.5), body_id=str(number)) for number in range(num_bodies)]
    write_skeleton(raw / "nturgb+d_skeletons" / f"{CLIP}.skeleton", [tuple(phantoms)] * 12)
    assert run(raw, out) == 0
    record = records(out)[CLIP]
    assert record["mask_source"] == ("skeleton" if num_bodies else "depth")
    assert ("the skeleton shows nobody" in record["warnings"]) == (num_bodies == 0)


def test_a_body_that_leaves_the_picture_is_said_to(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    write_skeleton(raw / "nturgb+d_skeletons" / f"{CLIP}.skeleton", [(body_at(0.4 * index),) for index in range(6)])
    assert run(raw, out) == 0
    record = records(out)[CLIP]
    assert any("leaves the picture in" in warning for warning in record["warnings"])
    x0, y0, x1, y1 = record["box_color_px"]
    assert 0 <= x0 < x1 <= 480 and 0 <= y0 < y1 <= 270 and (x1 - x0) * 3 == (y1 - y0) * 4
