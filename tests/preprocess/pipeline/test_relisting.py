"""What the list says of finished clips is compared with what was done, in every run."""

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from preprocess import jester, nvgesture
from rgbd.dataset.layouts import CUSTOM, JESTER, NTU, NVGESTURE
from rgbd.dataset.reading import open_clips, read_frames
from rgbd.dataset.records import RECORDS_FILE, Journal
from rgbd.dataset.run_info import RUN_FILE
from rgbd.dataset.splits import read_class_names, read_split
from rgbd.dataset.store import Format
from rgbd.recording.stills.images import read_image, write_image
from tests.support.custom_runs import run, write_csv, write_frames
from tests.support.folders import state
from tests.support.ntu_recordings import CLIP, OTHER_CLIP, make_recording
from tests.support.ntu_runs import run as run_ntu
from tests.support.ntu_runs import times_of
from tests.support.processed import records

FORMATS: tuple[Format, ...] = ("folders", "shards")
OF_120 = "S018C001P008R001A061"


def row(clip: str, **values: Any) -> dict[str, Any]:
    return {"clip": clip, "depth": f"raw/{clip}", "depth_scale_mm": 1, "class": "wave", "split": "train"} | values


def listed(out: Path, spec: Any = CUSTOM, protocol: str = "") -> dict[str, dict[str, int]]:
    """Return {half: {clip: label}} as the split files say it."""
    found = {}
    for split in ("train", "valid", "test"):
        path = spec.split_file(out, split, protocol)
        if path.exists() and path.read_text():
            found[split] = {entry.clip: entry.label for entry in read_split(path, spec)}
    return found


def process(folder: Path, *rows: dict[str, Any], options: tuple[str, ...] = ()) -> int:
    return run(write_csv(folder / "m.csv", *rows), folder / "data", "--masks", "none", *options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for clip in "ab":
        write_frames(tmp_path / "raw" / clip)
    return tmp_path


def facts(out: Path) -> dict[str, dict[str, Any]]:
    """Return what the samples of a data set's tar files say of their clips."""
    found = {}
    for path in (out / "shards").glob("*.tar"):
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.endswith(".json"):
                    file = archive.extractfile(member)
                    assert file is not None
                    found[member.name.removesuffix(".json")] = json.loads(file.read())
    return found


@pytest.mark.parametrize("format_", FORMATS)
def test_a_class_that_is_added_renames_no_finished_clip(
    folder: Path, format_: Format, capsys: pytest.CaptureFixture[str]
) -> None:
    out, options = folder / "data", ("--format", format_)
    assert process(folder, row("a"), options=options) == 0
    reader = open_clips(out, CUSTOM)
    before = [frame.tobytes() for frame in read_frames(reader, "depth", "a", range(3))]
    assert process(folder, row("a"), row("b", **{"class": "jump"}), options=options) == 0
    assert "(a): finished earlier, another label or split now" in capsys.readouterr().err
    assert read_class_names(out) == ("jump", "wave")
    assert {clip: record["label"] for clip, record in records(out).items()} == {"a": 1, "b": 0}
    assert listed(out) == {"train": {"a": 1, "b": 0}}
    assert [frame.tobytes() for frame in read_frames(open_clips(out, CUSTOM), "depth", "a", range(3))] == before
    if format_ == "shards":
        assert {clip: said["label"] for clip, said in facts(out).items()} == {"a": 1, "b": 0}


def test_a_corrected_label_and_split_are_taken_over(folder: Path) -> None:
    out = folder / "data"
    assert process(folder, row("a"), row("b", split="test")) == 0
    frames = state(out / "depth")
    assert process(folder, row("a", **{"class": "jump"}), row("b", split="valid")) == 0
    assert listed(out) == {"train": {"a": 0}, "valid": {"b": 1}}  # b is not in test.txt any more
    assert records(out)["b"]["splits"] == {"": "valid"} and read_class_names(out) == ("jump", "wave")
    assert state(out / "depth") == frames
    assert process(folder, row("a"), row("b", split="test"), options=("--splits-only",)) == 0
    assert listed(out) == {"train": {"a": 0}, "test": {"b": 0}}


def test_a_class_whose_only_recording_is_away_keeps_the_others_labels(folder: Path) -> None:
    rows = (row("a", **{"class": "jump"}), row("b"))
    assert process(folder, *rows) == 0
    (folder / "raw" / "a").rename(folder / "away")
    assert process(folder, *rows) == 1
    assert read_class_names(folder / "data") == ("jump", "wave")
    assert listed(folder / "data") == {"train": {"a": 0, "b": 1}}


@pytest.mark.parametrize("format_", FORMATS)
def test_what_would_need_other_pixels_is_done_again_and_named(
    folder: Path, format_: Format, capsys: pytest.CaptureFixture[str]
) -> None:
    out, options = folder / "data", ("--format", format_)
    assert process(folder, row("a"), row("b"), options=options) == 0

    def first_mm(clip: str) -> int:
        return int(np.median(read_frames(open_clips(out, CUSTOM), "depth", clip, [0])[0]))

    assert (first_mm("a"), first_mm("b")) == (900, 900)
    changed = (row("a", depth_scale_mm=2), row("b", depth="raw/c"))
    write_frames(folder / "raw" / "c", num_frames=5)
    assert process(folder, *changed, options=(*options, "--only", "b")) == 1  # a's turn has not come, and that is said
    errors = capsys.readouterr().err
    assert "is done again: b: depth was raw/b, 1 mm a unit, and is raw/c, 1 mm a unit" in errors
    assert "did not do it again: a: depth was raw/a, 1 mm a unit, and is raw/a, 2 mm a unit" in errors
    assert records(out)["b"]["num_frames"] == 5 and first_mm("a") == 900
    assert process(folder, *changed, options=options) == 0
    assert first_mm("a") == 1800 and records(out)["a"]["made_from"]["depth"] == {"path": "raw/a", "unit_mm": 2.0}
    before = state(out / "depth", out / "shards")
    assert process(folder, *changed, options=options) == 0
    assert state(out / "depth", out / "shards") == before


def test_what_cannot_be_done_again_is_kept_and_named_until_it_can(folder: Path) -> None:
    assert process(folder, row("a")) == 0
    frames = state(folder / "data" / "depth")
    (folder / "raw" / "c").mkdir()
    write_image(folder / "raw" / "c" / "0.png", np.zeros((60, 80), np.uint16))
    for _ in range(2):
        assert process(folder, row("a", depth="raw/c")) == 1
        record = records(folder / "data")["a"]
        assert "holds a measurement" in record["last_failure"] and record["made_from"]["depth"]["path"] == "raw/a"
        assert state(folder / "data" / "depth") == frames
    assert process(folder, row("a")) == 0  # the list names the old one again
    assert "last_failure" not in records(folder / "data")["a"]


def test_another_video_is_seen_too_and_the_other_stream_is_done_with_it(folder: Path) -> None:
    write_frames(folder / "raw" / "x", suffix=".jpg")
    write_frames(folder / "raw" / "y", suffix=".jpg", num_frames=2)
    assert process(folder, row("a", rgb="raw/x")) == 0
    assert process(folder, row("a", rgb="raw/y")) == 0
    assert len(list((folder / "data" / "rgb" / "a").iterdir())) == 2
    record = records(folder / "data")["a"]
    assert record["streams"] == ["rgb", "depth"] and record["made_from"]["rgb"] == {"path": "raw/y"}
    assert len(list((folder / "data" / "depth" / "a").iterdir())) == 2


def test_a_list_that_lies_elsewhere_by_now_names_the_same_files(folder: Path) -> None:
    assert process(folder, row("a"), row("b", depth=str(folder / "raw" / "b"))) == 0
    before = state(folder / "data" / "depth")
    (folder / "lists").mkdir()
    manifest = write_csv(folder / "lists" / "m.csv", row("a", depth="../raw/a"), row("b", depth="../raw/b"))
    (folder / "data" / "depth" / "a" / "000000.png").touch()
    times = [path.stat().st_mtime_ns for path in (folder / "data" / "depth").rglob("*.png")]
    assert run(manifest, folder / "data", "--masks", "none") == 0
    assert state(folder / "data" / "depth") == before
    assert times == [path.stat().st_mtime_ns for path in (folder / "data" / "depth").rglob("*.png")]
    assert records(folder / "data")["a"]["made_from"]["depth"]["path"] == "../raw/a"


def test_a_row_that_went_away_leaves_the_split_files_and_comes_back(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "data"
    assert process(folder, row("a"), row("b", split="valid")) == 0
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    for _ in range(2):
        assert process(folder, row("a")) == 0
        assert "(b): finished earlier, not in the list any more" in capsys.readouterr().err
        assert listed(out) == {"train": {"a": 0}}
        assert "label" not in records(out)["b"] and records(out)["b"]["splits"] == {}
    assert process(folder, row("a"), row("b", split="valid")) == 0
    assert listed(out) == {"train": {"a": 0}, "valid": {"b": 0}}
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.png")} == times


def test_a_failed_row_that_went_away_is_no_failure_any_more(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_frames(folder / "raw" / "c")
    (folder / "raw" / "c" / "00002.png").write_bytes(b"")
    assert process(folder, row("a"), row("c"), row("d")) == 1
    capsys.readouterr()
    assert process(folder, row("a")) == 0
    assert "2 clips (c, d): failed earlier, not there any more" in capsys.readouterr().err
    assert list(records(folder / "data")) == ["a"]


def test_a_row_of_no_use_that_says_nothing_of_its_class_takes_its_clip_out_of_the_split_files(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert process(folder, row("a"), row("b")) == 0
    twice = (row("a"), row("b"), row("b", split="valid"))
    assert process(folder, *twice) == 1
    assert listed(folder / "data") == {"train": {"a": 0}}
    assert "in no split file until the list says what it is: b: is named twice" in capsys.readouterr().err
    assert process(folder, row("a"), row("b")) == 0
    assert listed(folder / "data") == {"train": {"a": 0, "b": 0}}


def test_of_records_of_an_earlier_version_it_is_said_that_they_cannot_be_compared(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert process(folder, row("a")) == 0
    journal = Journal(folder / "data" / RECORDS_FILE)
    journal.add(journal.records["a"].model_copy(update={"made_from": {}}))
    journal.close()
    assert process(folder, row("a", depth_scale_mm=2, split="valid")) == 0
    assert "(a): finished by an earlier version" in capsys.readouterr().err
    assert listed(folder / "data") == {"valid": {"a": 0}}
    assert process(folder, row("a", depth_scale_mm=2), options=("--overwrite",)) == 0
    assert records(folder / "data")["a"]["made_from"]["depth"]["unit_mm"] == 2


def test_another_order_of_rows_is_the_same_list_in_shards_too(folder: Path) -> None:
    write_frames(folder / "raw" / "x", suffix=".jpg")
    rows = (row("a"), row("b", rgb="raw/x"))
    assert process(folder, *rows, options=("--format", "shards")) == 0
    info = json.loads((folder / "data" / RUN_FILE).read_text())
    info["streams"] = info["streams"][::-1]  # as versions before wrote it, by the first rows
    (folder / "data" / RUN_FILE).write_text(json.dumps(info))
    before = state(folder / "data" / "shards")
    assert process(folder, *rows[::-1], options=("--format", "shards")) == 0
    assert state(folder / "data" / "shards") == before


def test_another_excerpt_is_done_again(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    write_nvgesture(raw, "3:8")
    words = ["--raw", str(raw), "--out", str(out), "--jobs", "1"]
    assert nvgesture.main(words) == 0
    write_nvgesture(raw, "4:8")
    assert nvgesture.main(words) == 0
    assert listed(out, NVGESTURE) == {"train": {"class_01/subject1_r0": 0}}
    record = records(out)["class_01/subject1_r0"]
    assert record["num_frames"] == 4 and record["made_from"]["depth"]["start"] == 4


def write_nvgesture(raw: Path, excerpt: str) -> None:
    folder = raw / "Video_data" / "class_01" / "subject1_r0"
    for name in ("sk_color", "sk_depth"):
        write_frames(folder / f"{name}.avi", num_frames=9, suffix=".jpg")  # a folder of frames will do
    line = f"path:./Video_data/class_01/subject1_r0 depth:sk_depth:{excerpt} color:sk_color:{excerpt} label:1\n"
    (raw / "nvgesture_train_correct_cvpr2016_v2.lst").write_text(line)


def test_official_names_that_come_later_rename_no_clip(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    for number in ("7", "8"):
        write_frames(raw / "20bn-jester-v1" / number, suffix=".jpg")
    (raw / "jester-v1-train.csv").write_text("7;Thumb Up\n8;Stop Sign\n")
    words = ["--raw", str(raw), "--out", str(out), "--jobs", "1"]
    assert jester.main(words) == 0
    (raw / "jester-v1-labels.csv").write_text("Stop Sign\nThumb Up\n")
    assert jester.main(words) == 0
    names = read_class_names(out)
    assert names == ("Stop Sign", "Thumb Up")
    assert {clip: names[label] for clip, label in listed(out, JESTER)["train"].items()} == {
        "7": "Thumb Up",
        "8": "Stop Sign",
    }


def test_ntu_in_parts_is_in_all_protocols(tmp_path: Path) -> None:
    first, second, out = tmp_path / "first", tmp_path / "second", tmp_path / "data"
    make_recording(first)
    make_recording(second, OF_120)
    assert run_ntu(first, out) == 0
    assert listed(out, NTU, "CS120") == {}
    assert run_ntu(second, out) == 0
    assert listed(out, NTU, "CS120") == {"train": {CLIP: 1, OF_120: 60}}
    assert listed(out, NTU, "CSet120") == {"valid": {CLIP: 1}, "train": {OF_120: 60}}
    assert listed(out, NTU, "CS") == {"train": {CLIP: 1}}
    assert run_ntu(first, out) == 0
    assert listed(out, NTU, "CS120") == {"train": {CLIP: 1, OF_120: 60}}


def test_cameras_whose_skeletons_come_later_are_registered(tmp_path: Path) -> None:
    first, second, out = tmp_path / "first", tmp_path / "second", tmp_path / "data"
    make_recording(first)
    make_recording(second, OF_120)
    assert run_ntu(first, out) == 0
    before = json.loads((out / "registration.json").read_text())
    assert run_ntu(second, out) == 0
    after = json.loads((out / "registration.json").read_text())
    assert after.keys() == {"S001C002", "S018C001"} and after["S001C002"] == before["S001C002"]
    record = records(out)[OF_120]
    assert record["registration"] == "joints" and record["warnings"] == []


def test_a_guessed_registration_is_done_again_where_the_registration_is_known_by_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, out = tmp_path / "first", tmp_path / "second", tmp_path / "data"
    for raw in (first, second):
        make_recording(raw, rgb_frames=12, depth_frames=12, skeleton=False)
    assert run_ntu(first, out) == 0
    assert records(out)[CLIP]["registration"] == "nominal"
    make_recording(tmp_path / "third", OTHER_CLIP)  # of the same camera
    assert run_ntu(tmp_path / "third", out) == 1  # the first clip's recording is not there
    assert f"did not do it again: {CLIP}: depth was laid over colour by guess" in capsys.readouterr().err
    assert run_ntu(second, out) == 0
    assert records(out)[CLIP]["registration"] == "joints"
    times = times_of(out)
    assert run_ntu(second, out) == 0 and times_of(out) == times


def test_a_skeleton_that_comes_later_is_used(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw, rgb_frames=12, depth_frames=12)
    skeletons = (raw / "nturgb+d_skeletons").rename(tmp_path / "away")
    assert run_ntu(raw, out) == 0
    assert records(out)[CLIP]["mask_source"] == "depth"
    skeletons.rename(raw / "nturgb+d_skeletons")
    assert run_ntu(raw, out) == 0
    assert records(out)[CLIP]["mask_source"] == "skeleton" and records(out)[CLIP]["registration"] == "joints"
    (raw / "nturgb+d_skeletons").rename(skeletons)
    assert run_ntu(raw, out) == 0  # what was better stays
    assert records(out)[CLIP]["mask_source"] == "skeleton"


def test_failures_of_recordings_that_were_removed_end_and_those_of_another_part_stay(tmp_path: Path) -> None:
    raw, other, out = tmp_path / "raw", tmp_path / "other", tmp_path / "data"
    make_recording(raw)
    make_recording(raw, OTHER_CLIP)
    make_recording(other, OF_120)
    video = raw / "nturgb+d_rgb" / f"{OTHER_CLIP}_rgb.avi"
    video.write_bytes(b"")
    assert run_ntu(raw, out) == 1
    assert run_ntu(other, out) == 1 and records(out)[OTHER_CLIP]["status"] == "failed"
    assert run_ntu(raw, out) == 1
    for path in (video, *sorted((raw / "nturgb+d_depth" / OTHER_CLIP).iterdir()), raw / "nturgb+d_depth" / OTHER_CLIP):
        path.rmdir() if path.is_dir() else path.unlink()
    assert run_ntu(raw, out) == 0
    assert records(out).keys() == {CLIP, OF_120} and read_image(NTU.frame_path(out, "rgb", CLIP, 0)).any()
