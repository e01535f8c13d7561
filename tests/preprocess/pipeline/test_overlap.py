"""Outputs never meet inputs: a command that would write over what it reads is refused, and nothing has changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from preprocess import convert, jester, thu_read
from preprocess.custom import dataset as custom
from preprocess.ntu import dataset as ntu
from preprocess.report.__main__ import main as report
from preprocess.synthetic.__main__ import main as render
from rgbd.errors import UserError
from rgbd.overlap import check_apart
from tests.support.commands import assert_refused, run_module
from tests.support.custom_runs import write_csv, write_frames
from tests.support.folders import state
from tests.support.ntu_recordings import make_recording
from tests.support.processed import records


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Return somebody's folder whose layout is that of a processed data set, with a manifest in it."""
    raw = tmp_path / "raw"
    write_frames(raw / "rgb" / "a", suffix=".jpg")
    write_frames(raw / "depth" / "a")
    write_csv(raw / "m.csv", {"clip": "a", "rgb": "rgb/a", "depth": "depth/a", "class": "wave", "split": "train"})
    return raw


def custom_into(out: Path, manifest: Path) -> int:
    return custom.main(["--manifest", str(manifest), "--out", str(out), "--masks", "none", "--jobs", "1"])


def assert_untouched(raw: Path, command: Callable[[], int]) -> None:
    before = state(raw.parent)
    with pytest.raises(UserError, match="another"):
        command()
    assert state(raw.parent) == before


def test_recordings_in_the_layout_of_a_data_set_are_not_replaced(raw: Path, tmp_path: Path) -> None:
    before = state(tmp_path)
    result = run_module("preprocess.custom", "--manifest", raw / "m.csv", "--out", raw, "--masks", "none")
    assert_refused(result, str(raw / "rgb" / "a"), "--out")
    assert state(tmp_path) == before


def test_not_through_links_either(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("raw")
    assert_untouched(raw, lambda: custom_into(tmp_path / "link", raw / "m.csv"))
    for name in ("rgb", "depth"):  # the processed data set keeps its frames on another disk
        (tmp_path / name / "data").mkdir(parents=True)
        (tmp_path / name / "data" / name).symlink_to(raw / name)
        assert_untouched(raw, lambda name=name: custom_into(tmp_path / name / "data", raw / "m.csv"))  # type: ignore[misc]
    (tmp_path / "clip" / "rgb").mkdir(parents=True)
    (tmp_path / "clip" / "rgb" / "a").symlink_to(raw / "rgb" / "a")
    assert_untouched(raw, lambda: custom_into(tmp_path / "clip", raw / "m.csv"))


def test_frames_that_are_links_are_read_where_they_lie(raw: Path, tmp_path: Path) -> None:
    farm = tmp_path / "farm" / "frames"
    farm.mkdir(parents=True)
    for path in (raw / "rgb" / "a").iterdir():
        (farm / path.name).symlink_to(path)
    manifest = write_csv(tmp_path / "farm" / "m.csv", {"clip": "a", "rgb": "frames", "class": "w", "split": "train"})
    assert_untouched(raw, lambda: custom_into(raw, manifest))


def test_not_within_what_is_read_and_not_around_it(raw: Path, tmp_path: Path) -> None:
    assert_untouched(raw, lambda: custom_into(raw / "depth" / "a" / "data", raw / "m.csv"))
    manifest = write_csv(
        tmp_path / "m.csv", {"clip": "raw", "rgb": "data/rgb/raw/video", "class": "w", "split": "train"}
    )
    write_frames(tmp_path / "data" / "rgb" / "raw" / "video", suffix=".jpg")
    assert_untouched(tmp_path / "data", lambda: custom_into(tmp_path / "data", manifest))


def test_a_list_is_read_too(raw: Path) -> None:
    manifest = (raw / "m.csv").rename(raw / "class_names.txt")
    (raw / "rgb" / "a").rename(raw / "rgb" / "video")
    (raw / "depth" / "a").rename(raw / "depth" / "video")
    text = manifest.read_text().replace("rgb/a", "rgb/video").replace("depth/a", "depth/video")
    manifest.write_text(text)
    assert_untouched(raw, lambda: custom_into(raw, manifest))


def test_a_data_set_may_lie_beside_its_recordings_and_their_manifest(raw: Path, tmp_path: Path) -> None:
    before = state(raw)
    assert custom_into(raw / "data", raw / "m.csv") == 0
    manifest = write_csv(
        tmp_path / "m.csv", {"clip": "b", "rgb": "raw/rgb/a", "depth": "raw/depth/a", "class": "w", "split": "train"}
    )
    assert custom_into(tmp_path, manifest) == 0
    assert before.items() <= state(raw).items()


def test_raw_folders_of_data_sets_are_not_written_to(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for prefix, suffix in (("RGB_", ".jpg"), ("D_", ".png")):
        write_frames(raw / f"{prefix}wear_watch_cgy_2", suffix=suffix)
    for out in (raw, raw / "processed"):
        assert_untouched(raw, lambda out=out: thu_read.main(["--raw", str(raw), "--out", str(out), "--jobs", "1"]))  # type: ignore[misc]
    raw = tmp_path / "jester"
    write_frames(raw / "20bn-jester-v1" / "7", suffix=".jpg")
    (raw / "jester-v1-train.csv").write_text("7;Swiping Left\n")
    (tmp_path / "out").symlink_to("jester")
    for out in (raw, tmp_path / "out", raw / "data"):
        assert_untouched(raw, lambda out=out: jester.main(["--raw", str(raw), "--out", str(out), "--jobs", "1"]))  # type: ignore[misc]


def test_ntu_recordings_are_not_written_to(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    make_recording(raw)
    (tmp_path / "store").mkdir()
    (raw / "nturgb+d_depth").rename(tmp_path / "store" / "nturgb+d_depth_masked")  # raw data on two disks
    (raw / "nturgb+d_depth").symlink_to(tmp_path / "store" / "nturgb+d_depth_masked")
    for out in (raw, raw / "data", tmp_path / "store"):
        assert_untouched(raw, lambda out=out: ntu.main(["--raw", str(raw), "--out", str(out), "--jobs", "1"]))  # type: ignore[misc]


def test_a_data_set_is_not_converted_into_itself(raw: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert custom_into(data, raw / "m.csv") == 0
    for out in (data, data / "shards"):
        words = ["--data", str(data), "--out", str(out), "--format", "shards"]
        assert_untouched(raw, lambda words=words: convert.main(words))  # type: ignore[misc]
    for name in ("records.jsonl", "rgb/a/000000.jpg", "dataset_splits/train.txt"):
        assert_untouched(raw, lambda name=name: report([str(data), "--out", str(data / name)]))  # type: ignore[misc]


def test_rendered_recordings_never_lie_among_others(tmp_path: Path) -> None:
    out = tmp_path / "raw"
    make_recording(out, "S001C001P001R001A001")
    (out / "class_names.txt").write_text("mine\n")
    few = ["--clips", "1", "--scale", "0.05", "--jobs", "1"]
    assert_untouched(out, lambda: render(["--out", str(out), *few]))
    made = tmp_path / "made"
    made.mkdir()
    assert render(["--out", str(made), *few]) == 0
    before = state(made)
    assert render(["--out", str(made), *few]) == 0
    assert state(made) == before


def test_other_spellings_of_one_place_are_one_place(tmp_path: Path) -> None:
    folder, other = tmp_path / "folder", tmp_path / "other"
    for path in (folder, other):
        path.mkdir()
    (tmp_path / "link").symlink_to("folder")
    check_apart([other / "new"], [folder])
    for output in (folder, tmp_path / "link", other / ".." / "link" / "x", folder / "a" / "b"):
        with pytest.raises(UserError, match="folder"):
            check_apart([output], [folder])
    with pytest.raises(UserError, match="folder"):
        check_apart([tmp_path / "link"], [folder / "a" / "b"])


@pytest.mark.parametrize("number", ["../../victim", "..", "a//b"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, number: str) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    write_frames(raw / "20bn-jester-v1" / "7", suffix=".jpg")
    write_frames(tmp_path / "victim", suffix=".jpg")
    (raw / "jester-v1-train.csv").write_text(f"7;Swiping Left\n{number};Swiping Left\n")
    before = state(raw, tmp_path / "victim")
    assert jester.main(["--raw", str(raw), "--out", str(out), "--jobs", "1"]) == 1
    assert state(raw, tmp_path / "victim") == before
    by_clip = records(out)
    assert by_clip["7"]["status"] == "done" and by_clip[number]["status"] == "failed"


def test_recordings_of_rows_that_are_refused_are_not_replaced(raw: Path, tmp_path: Path) -> None:
    write_frames(tmp_path / "other", suffix=".jpg")
    rows = [{"clip": "a", "rgb": "../other", "class": "w", "split": "train"}]
    rows += [{"clip": "b", "rgb": "rgb/a", "class": "w", "split": "trian"}]
    manifest = write_csv(raw / "typo.csv", *rows)
    assert_untouched(raw, lambda: custom_into(raw, manifest))


def test_folders_that_preprocessing_has_not_made_are_not_filled(raw: Path, tmp_path: Path) -> None:
    for name in ("rgb/a/notes.txt", "class_names.txt", "dataset_splits/train.txt"):
        out = tmp_path / name.replace("/", "-")
        (out / name).parent.mkdir(parents=True)
        (out / name).write_text("mine")
        with pytest.raises(UserError, match="another --out"):
            custom_into(out, raw / "m.csv")
        assert (out / name).read_text() == "mine"
