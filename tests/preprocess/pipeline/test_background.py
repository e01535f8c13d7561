"""Recordings in which nothing of interest happens: a class of their own, in any data set, under any protocol."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from preprocess import isogd, jester, nvgesture, thu_read, utd_mhad
from preprocess.convert import main as convert
from preprocess.synthetic.__main__ import main as render
from preprocess.synthetic.motions import CLASS_NAMES
from rgbd.__main__ import main as rgbd
from rgbd.clip.rejection import BACKGROUND_CLASS
from rgbd.dataset.layouts import CUSTOM, ISOGD, JESTER, NTU, NVGESTURE, THU_READ, UTD_MHAD, DatasetSpec
from rgbd.dataset.reading import open_clips, read_frames
from rgbd.dataset.splits import read_class_names, read_split
from rgbd.dataset.store import Format
from rgbd.errors import DatasetError, UserError
from rgbd.recording.stills.images import read_image
from rgbd.recording.videos.video import write_video
from tests.support.custom_runs import run, write_csv
from tests.support.folders import state
from tests.support.listed_recordings import make_isogd, make_jester, make_nvgesture, make_thu_read
from tests.support.ntu_recordings import CLIP, OTHER_CLIP, body_at, make_recording, scene
from tests.support.ntu_runs import run as run_ntu
from tests.support.processed import records
from tests.support.utd_mhad import make_clip as make_utd_mhad
from training.config.schema import DataConfig
from training.data.dataset import class_names

NUM_FRAMES = 6
OF_120 = "S018C001P008R001A061"
ROOMS = ("background_a", "background_b", "background_c")


def color(path: Path) -> Path:
    write_video(path, [np.full((212, 256, 3), 90, np.uint8)] * NUM_FRAMES)
    return path


def depth(path: Path, *, with_somebody: bool = False) -> Path:
    """Write an empty room, or one through which somebody walks."""
    frames = [scene((body_at(0.1 * i - 0.3),) if with_somebody else (), 2)[0] for i in range(NUM_FRAMES)]
    write_video(path, frames)
    return path


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings of an empty room: a file of both streams, one of each, and a folder of one of each."""
    folder, raw = tmp_path_factory.mktemp("rooms"), tmp_path_factory.mktemp("raw")
    files = ["--rgb", str(color(raw / "rgb.mp4")), "--depth", str(depth(raw / "depth.mkv"))]
    assert rgbd(["convert", *files, str(folder / "a.mkv")]) == 0
    color(folder / "b_rgb.mp4")
    depth(folder / "b_depth.mkv")
    (folder / "c").mkdir()
    color(folder / "c" / "cam_rgb.mp4")
    depth(folder / "c" / "cam_depth.mkv")
    (folder / ".DS_Store").touch()
    return folder


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    raw = tmp_path / "raw"
    raw.mkdir()
    color(raw / "rgb.mp4")
    depth(raw / "depth.mkv", with_somebody=True)
    row = {"rgb": "rgb.mp4", "depth": "depth.mkv", "split": "train"}
    rows = [row | {"clip": "one", "class": "wave"}, row | {"clip": "two", "class": "walk", "split": "valid"}]
    return write_csv(raw / "m.csv", *rows)


def labels(out: Path, spec: DatasetSpec, protocol: str = "") -> dict[str, dict[str, int]]:
    """Return {half: {clip: label}} as the split files say it."""
    paths = {split: spec.split_file(out, split, protocol) for split in ("train", "valid")}
    return {split: {entry.clip: entry.label for entry in read_split(path, spec)} for split, path in paths.items()}


def background(out: Path, spec: DatasetSpec, protocol: str = "") -> dict[str, dict[str, int]]:
    """Return the same of the background's clips."""
    return {
        split: {clip: label for clip, label in clips.items() if clip.startswith("background_")}
        for split, clips in labels(out, spec, protocol).items()
    }


@pytest.mark.parametrize("format_", ["folders", "shards"])
def test_they_are_the_last_class_and_an_empty_room_is_kept_whole(
    manifest: Path, rooms: Path, tmp_path: Path, format_: Format
) -> None:
    out, before = tmp_path / "data", state(rooms)
    options = ("--background", str(rooms), "--format", format_)
    assert run(manifest, out, *options) == 0
    assert read_class_names(out) == ("walk", "wave", BACKGROUND_CLASS)
    assert labels(out, CUSTOM) == {
        "train": {"background_a": 2, "background_b": 2, "one": 1},
        "valid": {"background_c": 2, "two": 0},
    }
    for clip in ROOMS:
        record = records(out)[clip]
        assert record["streams"] == ["rgb", "depth"] and record["roi"] == "whole" and "mask_source" not in record
        assert any("no body was found in any" in words and "kept whole" in words for words in record["warnings"])
        (frame,) = read_frames(open_clips(out, CUSTOM), "depth", clip, [0])
        assert (frame > 0).all()
    assert records(out)["one"]["roi"] == "clip"
    assert records(out)["background_b"]["made_from"]["rgb"]["path"].endswith("b_rgb.mp4")
    done = records(out)
    assert run(manifest, out, *options) == 0 and records(out) == done
    assert state(rooms) == before


def test_a_recording_of_the_data_set_without_anybody_still_fails(manifest: Path, rooms: Path, tmp_path: Path) -> None:
    depth(manifest.parent / "nobody.mkv")
    with manifest.open("a") as file:
        file.write("rgb.mp4,nobody.mkv,train,three,wave\n")
    assert run(manifest, tmp_path / "data", "--background", str(rooms)) == 1
    by_clip = records(tmp_path / "data")
    assert [clip for clip, record in by_clip.items() if record["status"] == "failed"] == ["three"]


def test_rows_of_the_manifest_may_be_of_that_class_too(manifest: Path, rooms: Path, tmp_path: Path) -> None:
    depth(manifest.parent / "nobody.mkv")
    with manifest.open("a") as file:
        file.write("rgb.mp4,nobody.mkv,valid,office,background\n")
    out = tmp_path / "data"
    assert run(manifest, out) == 0
    assert read_class_names(out) == ("background", "walk", "wave") and records(out)["office"]["roi"] == "whole"
    assert run(manifest, out, "--background", str(rooms)) == 0
    assert read_class_names(out) == ("background", "walk", "wave")
    assert labels(out, CUSTOM) == {
        "train": {"background_a": 0, "background_b": 0, "one": 2},
        "valid": {"background_c": 0, "office": 0, "two": 1},
    }


def test_without_the_option_they_leave_the_split_files_and_nothing_else(
    manifest: Path, rooms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "data"
    assert run(manifest, out, "--background", str(rooms)) == 0
    done, frames = records(out), state(out / "rgb", out / "depth")
    capsys.readouterr()
    assert run(manifest, out) == 0
    words = capsys.readouterr().err
    assert "3 clips (background_a, background_b, background_c): finished earlier, not in the list any more" in words
    assert "--background" in words
    assert labels(out, CUSTOM) == {"train": {"one": 1}, "valid": {"two": 0}}
    assert read_class_names(out) == ("walk", "wave")
    assert state(out / "rgb", out / "depth") == frames
    assert run(manifest, out, "--background", str(rooms)) == 0
    assert records(out) == done and state(out / "rgb", out / "depth") == frames


def test_some_only_and_in_parts(manifest: Path, rooms: Path, tmp_path: Path) -> None:
    out, option = tmp_path / "data", ("--background", str(rooms))
    assert run(manifest, out, *option, "--only", "background_[ab]") == 0
    assert list(records(out)) == ["background_a", "background_b"]
    for part in ("1/2", "2/2"):
        assert run(manifest, out, *option, "--part", part) == 0
    assert run(manifest, out, *option) == 0
    assert list(records(out)) == [*ROOMS, "one", "two"]
    CUSTOM.split_file(out, "valid", "").unlink()
    assert run(manifest, out, *option, "--splits-only") == 0
    assert labels(out, CUSTOM)["valid"] == {"background_c": 2, "two": 0}


def test_what_cannot_be_used_is_named_and_the_rest_goes_on(manifest: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "rooms", tmp_path / "data"
    folder.mkdir()
    for name in ("good", "other", "twice"):
        color(folder / f"{name}_rgb.mp4")
        depth(folder / f"{name}_depth.mkv")
    color(folder / "twice_rgb.avi")
    color(folder / "a_blank_rgb.mp4").rename(folder / "a blank_rgb.mp4")
    color(folder / "half.mp4")
    (folder / "notes.txt").write_text("the room behind the kitchen")
    assert run(manifest, out, "--background", str(folder)) == 1
    reasons = {clip: record.get("reason", "") for clip, record in records(out).items()}
    assert not reasons["background_good"] and not reasons["one"]
    assert "twice_rgb.avi" in reasons["background_twice"] and "twice_rgb.mp4" in reasons["background_twice"]
    assert "spaces" in reasons["background_a blank"]
    assert "holds no depth, which the other clips have" in reasons["background_half"]
    assert "notes.txt: cannot be opened" in reasons["background_notes"]
    # Second and fifth of six; the others failed.
    assert labels(out, CUSTOM)["train"] == {"background_good": 2, "background_other": 2, "one": 1}


def test_a_recording_that_fails_later_stays_as_it_was(manifest: Path, rooms: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "rooms", tmp_path / "data"
    folder.mkdir()
    for path in rooms.glob("[ab]*"):
        (folder / path.name).symlink_to(path)
    (folder / "c.mkv").symlink_to(rooms / "a.mkv")
    assert run(manifest, out, "--background", str(folder)) == 0
    before = labels(out, CUSTOM)
    (folder / "c_rgb.mp4").symlink_to(rooms / "b_rgb.mp4")
    assert run(manifest, out, "--background", str(folder)) == 1
    assert "c.mkv" in records(out)["background_c"]["last_failure"]
    assert labels(out, CUSTOM) == before


def test_too_few_are_refused(manifest: Path, rooms: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rooms"
    folder.mkdir()
    for name in ("a.mkv", "b_rgb.mp4", "b_depth.mkv"):
        (folder / name).symlink_to(rooms / name)
    with pytest.raises(DatasetError, match="rooms: holds 2 recordings, at least 3 are needed"):
        run(manifest, tmp_path / "data", "--background", str(folder))
    with pytest.raises(DatasetError, match="nowhere: is not a folder"):
        run(manifest, tmp_path / "data", "--background", str(tmp_path / "nowhere"))


def test_a_name_that_the_data_set_has_is_refused(manifest: Path, rooms: Path, tmp_path: Path) -> None:
    manifest.write_text(manifest.read_text().replace(",two,", ",background_b,"))
    with pytest.raises(DatasetError, match="background_b, as a clip of the data set is"):
        run(manifest, tmp_path / "data", "--background", str(rooms))


@pytest.mark.parametrize("out", ["", "data", ".."])
def test_they_lie_apart_from_what_is_written(manifest: Path, tmp_path: Path, out: str) -> None:
    folder = tmp_path / "here" / "rooms"
    folder.mkdir(parents=True)
    for name in "abc":
        depth(folder / f"{name}.mkv")
    before = state(tmp_path)
    with pytest.raises(UserError, match="which must not be overwritten"):
        run(manifest, folder / out, "--background", str(folder))
    assert state(tmp_path) == before


def make_ntu(raw: Path, *clips: str) -> None:
    for clip in clips:
        make_recording(raw, clip)


def test_ntu_s_protocols_have_one_class_more_each(rooms: Path, tmp_path: Path) -> None:
    raw, out, back = tmp_path / "raw", tmp_path / "data", tmp_path / "back"
    make_ntu(raw, CLIP, OTHER_CLIP, OF_120)
    assert run_ntu(raw, out, "--background", str(rooms)) == 0
    assert read_class_names(out) == (*NTU.class_names, BACKGROUND_CLASS)
    for protocol, label in (("CS", 60), ("CV", 60), ("CS120", 120), ("CSet120", 120)):
        names = class_names(DataConfig(dataset="ntu", root=out, protocol=protocol))
        assert len(names) == label + 1 and names[label] == BACKGROUND_CLASS
        expected = {"train": {"background_a": label, "background_b": label}, "valid": {"background_c": label}}
        assert background(out, NTU, protocol) == expected
    assert labels(out, NTU, "CS")["train"][CLIP] == 1 and labels(out, NTU, "CS120")["train"][OF_120] == 60
    assert records(out)["background_a"]["label"] == 120
    for name in ("records.jsonl", "preprocess.json"):
        (out / name).unlink()
    words = ["--data", str(out), "--out", str(back), "--dataset", "ntu", "--jobs", "1", "--format", "shards"]
    assert convert(words) == 0
    assert records(back)["background_a"]["label"] == 120
    assert all(labels(back, NTU, protocol) == labels(out, NTU, protocol) for protocol in ("CS", "CS120"))


def test_ntu_in_parts_keeps_them_in_the_protocols_of_all_parts(rooms: Path, tmp_path: Path) -> None:
    first, second, out = tmp_path / "first", tmp_path / "second", tmp_path / "data"
    make_ntu(first, CLIP, OTHER_CLIP)
    make_ntu(second, OF_120, "S018C001P003R001A061")
    option = ("--background", str(rooms))
    assert run_ntu(second, out, *option) == 0
    assert run_ntu(first, out, *option) == 0
    for protocol, label in (("CS", 60), ("CS120", 120)):
        assert background(out, NTU, protocol)["valid"] == {"background_c": label}


def test_a_stream_that_is_added_later_shows_the_same_part(rooms: Path, tmp_path: Path) -> None:
    raw, folder, out = tmp_path / "raw", tmp_path / "rooms", tmp_path / "data"
    make_ntu(raw, CLIP, OTHER_CLIP)
    folder.mkdir()
    for path in rooms.glob("[ab]*"):
        (folder / path.name).symlink_to(path)
    color(folder / "walker_rgb.mp4")
    depth(folder / "walker_depth.mkv", with_somebody=True)
    option = ("--background", str(folder))
    assert run_ntu(raw, out, *option, "--streams", "depth") == 0
    assert records(out)["background_a"]["streams"] == ["depth"]
    assert run_ntu(raw, out, *option) == 0
    by_clip = records(out)
    assert by_clip["background_a"]["streams"] == by_clip["background_walker"]["streams"] == ["rgb", "depth"]
    assert by_clip["background_a"]["roi"] == "whole" and by_clip["background_walker"]["roi"] == "clip"
    for stream in ("rgb", "depth"):
        assert read_image(NTU.frame_path(out, stream, "background_a", 0)).shape[:2] == (212, 256)


def test_rendered_recordings_have_names_of_their_own(rooms: Path, tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    assert render(["--out", str(raw), "--clips", "2", "--scale", "0.1", "--jobs", "1"]) == 0
    assert run_ntu(raw, out, "--background", str(rooms)) == 0
    names = (*CLASS_NAMES, BACKGROUND_CLASS)
    assert read_class_names(out) == names == class_names(DataConfig(dataset="ntu", root=out, protocol="CV"))
    label = len(CLASS_NAMES)
    assert background(out, NTU, "CV") == {
        "train": {"background_a": label, "background_b": label},
        "valid": {"background_c": label},
    }


def test_utd_mhad_takes_matlab_files_of_depth_alone(tmp_path: Path) -> None:
    raw, folder, out = tmp_path / "raw", tmp_path / "rooms", tmp_path / "data"
    for clip in ("a1_s1_t1", "a2_s2_t1"):
        make_utd_mhad(raw, clip)
    folder.mkdir()
    for number in (2, 10, 1):
        room = np.full((240, 320, NUM_FRAMES), 3000 + number, np.uint16)
        savemat(folder / f"room{number}_depth.mat", {"d_depth": room})
    words = ["--raw", str(raw), "--out", str(out), "--jobs", "1", "--background", str(folder)]
    assert utd_mhad.main(words) == 0
    assert background(out, UTD_MHAD) == {
        "train": {"background_room1": 27, "background_room2": 27},
        "valid": {"background_room10": 27},
    }
    assert (read_image(UTD_MHAD.frame_path(out, "depth", "background_room10", 0)) == 3010).all()


def test_thu_read_has_them_in_all_four_protocols(rooms: Path, tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_thu_read(raw)
    words = ["--raw", str(raw), "--out", str(out), "--jobs", "1", "--background", str(rooms)]
    assert thu_read.main(words) == 0
    for number in range(1, 5):
        assert background(out, THU_READ, f"CS{number}")["valid"] == {"background_c": 40}


def test_pictures_of_depth_are_those_of_the_data_set(rooms: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in "abc":
        color(folder / f"{name}_rgb.avi")
        color(folder / f"{name}_depth.avi")
    for command, make, spec in ((nvgesture, make_nvgesture, NVGESTURE), (isogd, make_isogd, ISOGD)):
        raw, out = tmp_path / spec.name / "raw", tmp_path / spec.name / "data"
        make(raw)
        words = ["--raw", str(raw), "--out", str(out), "--jobs", "1", "--background"]
        assert command.main([*words, str(rooms)]) == 1
        assert "is 16-bit depth; that of this data set is 8-bit images" in records(out)["background_a"]["reason"]
        assert command.main([*words, str(folder)]) == 0
        expected = {"train": {"background_a", "background_b"}, "valid": {"background_c"}}
        assert {split: set(clips) for split, clips in background(out, spec).items()} == expected
        assert read_image(spec.frame_path(out, "depth", "background_c", 0)).shape == (212, 256, 3)


def test_jester_has_colour_only(rooms: Path, tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_jester(raw)
    words = ["--raw", str(raw), "--out", str(out), "--jobs", "1", "--background", str(rooms)]
    assert jester.main(words) == 0
    assert records(out)["background_b"]["streams"] == ["rgb"]
    assert background(out, JESTER)["valid"] == {"background_c": 27}
