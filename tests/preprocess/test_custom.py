"""Your own recordings: any mixture of videos and folders in, a data set out, every line of a manifest accounted for."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocess.custom.manifest import read_manifest
from rgbd.dataset.layouts import CUSTOM
from rgbd.dataset.run_info import read_run_info
from rgbd.dataset.splits import read_class_names, read_split
from rgbd.errors import ConfigError, DatasetError
from rgbd.recording.stills.images import read_image, write_image
from rgbd.recording.videos.video import write_video
from tests.support.custom_runs import run, write_csv, write_frames
from tests.support.ntu_recordings import BODY_MM, body_at, scene
from tests.support.processed import records
from tests.support.real import real_recordings

COLUMNS = ("clip", "rgb", "depth", "depth_scale_mm", "label", "class", "split")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Write somebody who walks: as depth video of half millimetres, as PNG files, as colour video, as JPEG files."""
    folder = tmp_path / "raw"
    depth = [scene((body_at(-0.8 + 0.1 * index),), 2)[0] for index in range(16)]
    color = [np.where(frame[:, :, None] < BODY_MM + 200, 220, 60).repeat(3, 2).astype(np.uint8) for frame in depth]
    write_video(folder / "depth.mkv", [frame * np.uint16(2) for frame in depth])
    write_video(folder / "color.mp4", color)
    for index, (far, picture) in enumerate(zip(depth, color, strict=True)):
        for path, image in ((folder / "png" / f"{index}.png", far), (folder / "jpeg" / f"{index:02d}.jpg", picture)):
            path.parent.mkdir(exist_ok=True)
            write_image(path, image)
    for path in (folder / "png").iterdir():
        path.rename(path.with_name(f"{int(path.stem):03d}.png"))
    return folder


def test_videos_and_folders_give_the_same_data_set(raw: Path, tmp_path: Path) -> None:
    manifest = write_csv(
        raw / "clips.csv",
        {
            "clip": "a",
            "rgb": "color.mp4",
            "depth": "depth.mkv",
            "depth_scale_mm": 0.5,
            "class": "walk",
            "split": "train",
        },
        {"clip": "b", "rgb": "jpeg", "depth": "png", "depth_scale_mm": "", "class": "run", "split": "valid"},
        {"clip": "c", "rgb": "", "depth": "png", "depth_scale_mm": 1, "class": "walk", "split": "test"},
        {"clip": "d", "rgb": "jpeg", "depth": "", "depth_scale_mm": 1, "class": "walk", "split": "train"},
    )
    out = tmp_path / "data"
    assert run(manifest, out) == 0
    assert read_class_names(out) == ("run", "walk")
    by_clip = records(out)
    assert {clip: record["streams"] for clip, record in by_clip.items()} == {
        "a": ["rgb", "depth"],
        "b": ["rgb", "depth"],
        "c": ["depth"],
        "d": ["rgb"],
    }
    for index in (0, 15):
        frames = [read_image(CUSTOM.frame_path(out, "depth", clip, index)) for clip in "abc"]
        assert all(frame.shape == (240, 320) and frame.dtype == np.uint16 for frame in frames)
        np.testing.assert_array_equal(frames[0], frames[1])
        assert 0.02 < (frames[2] > 0).mean() < 0.4 and abs(int(np.median(frames[2][frames[2] > 0])) - BODY_MM) < 20
    assert by_clip["a"]["box_color_px"] == by_clip["b"]["box_color_px"] and "registration" in by_clip["a"]
    halves = {split: read_split(CUSTOM.split_file(out, split, ""), CUSTOM) for split in ("train", "valid", "test")}
    assert [(entry.clip, entry.label) for entry in halves["train"]] == [("a", 1), ("d", 1)]
    assert halves["valid"][0].label == 0 and halves["test"][0].clip == "c"


def test_depth_in_metres_needs_no_scale_and_contradicts_another(raw: Path, tmp_path: Path) -> None:
    depth = [read_image(raw / "png" / f"{index:03d}.png") for index in range(16)]
    np.save(raw / "metres.npy", np.stack(depth) / np.float32(1000))
    good = {"clip": "png", "depth": "png", "depth_scale_mm": "", "class": "walk", "split": "train"}
    rows = [good, good | {"clip": "metres", "depth": "metres.npy"}]
    rows += [good | {"clip": "scaled", "depth": "metres.npy", "depth_scale_mm": 1000}]
    out = tmp_path / "data"
    assert run(write_csv(raw / "clips.csv", *rows), out) == 1
    reason = records(out)["scaled"]["reason"]
    assert "depth_scale_mm 1000 contradicts the file" in reason and "leave depth_scale_mm out" in reason
    for index in range(16):
        frames = [read_image(CUSTOM.frame_path(out, "depth", clip, index)) for clip in ("png", "metres")]
        np.testing.assert_array_equal(*frames)


def test_rows_that_cannot_be_used_are_named_and_the_rest_goes_on(raw: Path, tmp_path: Path) -> None:
    good = {"clip": "good", "depth": "png", "class": "walk", "split": "train"}
    (raw / "eight").mkdir()
    write_image(raw / "eight" / "0.png", np.zeros((24, 32), np.uint8))
    bad: dict[str, tuple[dict[str, Any], str]] = {
        "gone": ({"depth": "nowhere"}, "nowhere does not exist"),
        "half": ({"split": "traning"}, "found 'traning'"),
        "scale": ({"depth_scale_mm": "-1"}, "depth_scale_mm"),
        "endless": ({"depth_scale_mm": "inf"}, "finite number"),
        "nothing": ({"depth": ""}, "one of rgb and depth is needed"),
        "nameless": ({"class": ""}, "either a label or a class"),
        "a/b": ({}, "pattern"),
        "eight": ({"depth": "eight"}, "is depth as 8-bit images"),
    }
    rows = [good | {"depth_scale_mm": ""}, *(good | {"clip": clip} | change for clip, (change, _) in bad.items())]
    rows += [good | {"clip": "twice"}, good | {"clip": "twice"}]
    assert run(write_csv(raw / "clips.csv", *rows), tmp_path / "data") == 1
    by_clip = records(tmp_path / "data")
    assert by_clip.pop("good")["status"] == "done"
    assert "named twice, in line 11 and line 12" in by_clip.pop("twice")["reason"]
    assert by_clip.keys() == bad.keys()
    for clip, (_, reason) in bad.items():
        assert by_clip[clip]["status"] == "failed" and reason in by_clip[clip]["reason"]


def test_jsonl_and_labels(raw: Path, tmp_path: Path) -> None:
    manifest = raw / "clips.jsonl"
    rows = [
        {"clip": "a", "depth": "png", "label": 2, "split": "train"},
        {"clip": "b", "rgb": "jpeg", "label": 0, "split": "valid"},
    ]
    manifest.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    assert run(manifest, tmp_path / "data", "--roi", "whole", "--masks", "none") == 0
    assert read_class_names(tmp_path / "data") == ("class 0", "class 1", "class 2")
    assert read_image(CUSTOM.frame_path(tmp_path / "data", "rgb", "b", 0)).shape == (212, 256, 3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("clip,rbg,label,split\na,x,1,train\n", "did you mean 'rgb'"),
        ("clip,split,colour of the room\na,train,red\n", "the columns are clip, rgb"),
        ("clip,rgb,label,split\na,x,1,train,7\n", "more values than columns"),
        ("clip,rgb,label,split\n", "names no recordings"),
        ("", "names no recordings"),
        ("clip,rgb,label,split\na,x,1,train\n", "names no recording that can be used"),
    ],
)
def test_a_manifest_of_no_use_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "clips.csv").write_text(text)
    with pytest.raises(DatasetError, match=reason):
        run(tmp_path / "clips.csv", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_labels_and_classes_do_not_mix(raw: Path, tmp_path: Path) -> None:
    row = {"depth": "png", "split": "train", "label": "", "class": ""}
    manifest = write_csv(raw / "clips.csv", row | {"clip": "a", "label": 1}, row | {"clip": "b", "class": "walk"})
    with pytest.raises(ConfigError, match="choose one"):
        run(manifest, tmp_path / "data")


TEXTS = st.text(alphabet="ab1 ./\\\né\0", max_size=8)
CELLS = st.one_of(st.none(), TEXTS, st.integers(), st.floats(), st.sampled_from(["train", "1", "png"]))


@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(COLUMNS, CELLS)), min_size=1, max_size=6))
def test_every_line_is_a_row_or_a_reason(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    path = tmp_path_factory.mktemp("manifest") / "clips.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    manifest = read_manifest(path)
    refused = {record.clip for record in manifest.refused}
    assert not refused & manifest.rows.keys()
    names = {str(row.get("clip") or f"line {number}") for number, row in enumerate(rows, start=1)}
    assert refused | manifest.rows.keys() == names
    assert all(record.reason for record in manifest.refused)


def test_a_real_fall_from_its_own_files(tmp_path: Path) -> None:
    fall = real_recordings("ur_fall")
    manifest = write_csv(
        tmp_path / "clips.csv",
        {
            "clip": "fall-01",
            "depth": str(fall / "depth"),
            "depth_scale_mm": 6000 / 65535,
            "class": "fall",
            "split": "train",
        },
    )
    assert run(manifest, tmp_path / "data") == 0
    record = records(tmp_path / "data")["fall-01"]
    assert (record["num_frames"], record["mask_source"], record["empty_masks"]) == (40, "depth", 0)
    assert 0.04 < record["mask_coverage"] < 0.08
    x0, y0, x1, y1 = record["box_depth_px"]
    assert 0 <= x0 < x1 <= 640 and 0 <= y0 < y1 <= 480
    shares = [(read_image(CUSTOM.frame_path(tmp_path / "data", "depth", "fall-01", i)) > 0).mean() for i in (0, 20, 39)]
    assert all(0.04 < share < 0.4 for share in shares)


def test_a_data_set_of_mutual_actions_says_so(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "raw" / "depth")
    row = {"clip": "one", "depth": str(folder), "label": 0, "split": "train"}
    manifest = write_csv(tmp_path / "list.csv", row)
    assert run(manifest, tmp_path / "out", "--masks", "none", "--mutual-actions") == 0
    preparation = read_run_info(tmp_path / "out").preparation
    assert preparation is not None and preparation.has_mutual_actions
    assert run(manifest, tmp_path / "out", "--masks", "none") == 0  # it goes on; what was said stays
    preparation = read_run_info(tmp_path / "out").preparation
    assert preparation is not None and preparation.has_mutual_actions
