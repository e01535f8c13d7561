"""NvGesture, IsoGD, THU-READ and Jester: from their original layouts to frames, split files and records."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preprocess import isogd, jester, nvgesture, thu_read
from rgbd.dataset.layouts import ISOGD, JESTER, NVGESTURE, THU_READ, DatasetSpec
from rgbd.dataset.reading import open_clips, read_frames
from rgbd.dataset.splits import read_class_names, read_split
from rgbd.errors import DatasetError, UserError
from rgbd.recording.stills.images import read_image
from rgbd.types import Stream
from tests.support.listed_recordings import make_isogd, make_jester, make_nvgesture, make_thu_read
from tests.support.processed import records


def brightness(root: Path, spec: DatasetSpec, stream: Stream, clip: str, num_frames: int) -> np.ndarray:
    frames = read_frames(open_clips(root, spec), stream, clip, range(num_frames))
    return np.array([frame.mean() for frame in frames])


def test_nvgesture_keeps_the_listed_frames(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_nvgesture(raw)
    assert nvgesture.main(["--raw", str(raw), "--out", str(out), "--jobs", "1"]) == 0
    np.testing.assert_allclose(
        brightness(out, NVGESTURE, "rgb", "class_02/subject8_r1", 8), 40 + 2 * np.arange(8), atol=2
    )
    np.testing.assert_allclose(
        brightness(out, NVGESTURE, "depth", "class_01/subject1_r0", 8), 54 + 2 * np.arange(8), atol=2
    )
    train = read_split(NVGESTURE.split_file(out, "train", ""), NVGESTURE)
    assert [(entry.clip, entry.num_frames, entry.label) for entry in train] == [
        ("class_01/subject1_r0", 8, 0),
        ("class_02/subject1_r0", 8, 1),
    ]
    assert "class_01/subject1_r0/ 8 0\n" in NVGESTURE.split_file(out, "train", "").read_text()
    assert [entry.label for entry in read_split(NVGESTURE.split_file(out, "valid", ""), NVGESTURE)] == [1]
    frame = read_image(NVGESTURE.frame_path(out, "depth", "class_01/subject1_r0", 0))
    assert frame.shape == (24, 32, 3) and np.ptp(frame.astype(int), axis=2).max() <= 2  # three equal channels


def test_isogd_pairs_colour_and_depth_and_shrinks_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_isogd(raw)
    assert isogd.main(["--raw", str(raw), "--out", str(out), "--jobs", "1"]) == 0
    assert (out / "IsoGD_imgs/train/001/M_00001/000004.jpg").exists()
    assert not (out / "IsoGD_imgs/train/001/M_00001/000005.jpg").exists()
    assert read_image(out / "IsoGD_imgs/valid/001/K_00001/000000.jpg").shape == (240, 320, 3)
    np.testing.assert_allclose(brightness(out, ISOGD, "depth", "train/001/00002", 5), 40 + 2 * np.arange(5), atol=2)
    halves = {split: read_split(ISOGD.split_file(out, split, ""), ISOGD) for split in ("train", "valid", "test")}
    assert [(entry.clip, entry.label) for entry in halves["train"]] == [("train/001/00001", 83), ("train/001/00002", 0)]
    assert (halves["valid"][0].label, halves["test"][0].label) == (248, 2)
    assert "train/001/M_00001 5 83\n" in ISOGD.split_file(out, "train", "").read_text()
    record = records(out)["train/001/00001"]
    assert (record["rgb_frames_in"], record["depth_frames_in"], record["num_frames"]) == (6, 5, 5)
    assert record["warnings"] == ["6 colour frames but 5 of depth; the first 5 were kept"]
    assert "2 train of 35878, 1 valid of 5784, 1 test of 6271" in capsys.readouterr().err


def test_thu_read_has_four_protocols_and_keeps_millimetres(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_thu_read(raw)
    (raw / "RGB" / "RGB_juggle_cgy_1.avi").touch()
    (raw / "Depth" / "D_open_door_tys_3").mkdir()
    assert thu_read.main(["--raw", str(raw), "--out", str(out), "--jobs", "1"]) == 1
    assert brightness(out, THU_READ, "depth", "stir_gs_1", 5).tolist() == [1000, 1001, 1002, 1003, 1004]
    for protocol, valid in (("CS1", "wear_watch_cgy_2"), ("CS2", "stir_gs_1")):
        (entry,) = read_split(THU_READ.split_file(out, "valid", protocol), THU_READ)
        assert entry.clip == valid and THU_READ.class_names[entry.label].replace(" ", "_") in valid
    assert len(read_split(THU_READ.split_file(out, "train", "CS3"), THU_READ)) == 2
    assert "rename it" in records(out)["juggle_cgy_1"]["reason"]
    assert "RGB_open_door_tys_3: is missing" in records(out)["open_door_tys_3"]["reason"]


def test_jester_counts_frames_from_one_and_has_colour_only(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_jester(raw)
    assert jester.main(["--raw", str(raw), "--out", str(out), "--jobs", "1"]) == 0
    assert sorted(path.name for path in (out / "20bn-jester-v1/7").iterdir()) == [f"{n:05d}.jpg" for n in range(1, 5)]
    np.testing.assert_allclose(brightness(out, JESTER, "rgb", "7", 4), [20, 40, 60, 80], atol=2)
    (entry,) = read_split(JESTER.split_file(out, "valid", ""), JESTER)
    names = read_class_names(out)
    assert names is not None and len(names) == 27 and names[entry.label] == "Stop Sign"
    with pytest.raises(DatasetError, match="has no depth"):
        JESTER.frame_path(out, "depth", "7", 0)


MAKERS = [
    (make_nvgesture, nvgesture.main),
    (make_isogd, isogd.main),
    (make_thu_read, thu_read.main),
    (make_jester, jester.main),
]


@pytest.mark.parametrize(("make", "main"), MAKERS)
def test_all_of_them_resume_and_fill_shards(
    tmp_path: Path, make: Callable[[Path], None], main: Callable[[list[str]], int]
) -> None:
    raw, out, shards = (tmp_path / name for name in ("raw", "data", "shards"))
    make(raw)
    assert main(["--raw", str(raw), "--out", str(out), "--jobs", "1"]) == 0
    written = {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}
    assert main(["--raw", str(raw), "--out", str(out), "--jobs", "1"]) == 0
    assert written == {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}
    assert main(["--raw", str(raw), "--out", str(shards), "--jobs", "1", "--format", "shards"]) == 0
    assert list((shards / "shards").glob("*.tar")) and records(shards).keys() == records(out).keys()


@pytest.mark.parametrize(("make", "main"), MAKERS)
def test_a_broken_recording_is_named_and_the_others_finish(
    tmp_path: Path, make: Callable[[Path], None], main: Callable[[list[str]], int]
) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make(raw)
    files = sorted([*raw.rglob("*.avi"), *raw.rglob("*.jpg")])
    files[0].write_bytes(files[0].read_bytes()[:100])
    assert main(["--raw", str(raw), "--out", str(out), "--jobs", "1"]) == 1
    failed = [record for record in records(out).values() if record["status"] == "failed"]
    assert len(failed) == 1 and files[0].name in failed[0]["reason"]
    assert len(records(out)) >= 2


@pytest.mark.parametrize("main", [main for _, main in MAKERS])
def test_an_empty_or_missing_folder_says_what_was_expected(tmp_path: Path, main: Callable[[list[str]], int]) -> None:
    for raw in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(DatasetError, match="expected"):
            main(["--raw", str(raw), "--out", str(tmp_path / "out"), "--jobs", "1"])


@pytest.mark.parametrize(
    ("make", "main", "file", "line"),
    [
        (
            make_nvgesture,
            nvgesture.main,
            "nvgesture_train_correct_cvpr2016_v2.lst",
            "path:./a depth:sk_depth:9:3 label:1",
        ),
        (make_isogd, isogd.main, "valid_list.txt", "valid/001/M_00001.avi valid/001/K_00001.avi"),
        (make_jester, jester.main, "jester-v1-train.csv", "7;Somersault"),
    ],
)
def test_a_malformed_list_is_refused_by_line(
    tmp_path: Path, make: Callable[[Path], None], main: Callable[[list[str]], int], file: str, line: str
) -> None:
    make(tmp_path / "raw")
    with (tmp_path / "raw" / file).open("a") as opened:
        opened.write(f"\n{line}\n")
    with pytest.raises(DatasetError, match=rf"{file}, line \d+: expected"):
        main(["--raw", str(tmp_path / "raw"), "--out", str(tmp_path / "out"), "--jobs", "1"])


def test_a_clip_that_is_listed_twice_fails(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_jester(raw)
    (raw / "jester-v1-validation.csv").write_text("7;Stop Sign\n8;Stop Sign\n")
    assert jester.main(["--raw", str(raw), "--out", str(out), "--jobs", "1"]) == 1
    assert "listed twice" in records(out)["7"]["reason"] and records(out)["8"]["status"] == "done"


def copied(raw: Path, file: str, to: str) -> list[str]:
    """Copy a file or a folder of a raw folder to another place in it; return both."""
    copy = shutil.copytree if (raw / file).is_dir() else shutil.copyfile
    (raw / to).parent.mkdir(parents=True, exist_ok=True)
    copy(raw / file, raw / to)
    return [str(raw / file), str(raw / to)]


@pytest.mark.parametrize(
    ("make", "main", "file", "to"),
    [
        (
            make_nvgesture,
            nvgesture.main,
            "nvgesture_train_correct_cvpr2016_v2.lst",
            "nvgesture_train_correct_cvpr2016.lst",
        ),
        (make_isogd, isogd.main, "train_list.txt", "IsoGD_phase_1/train.txt"),
        (make_isogd, isogd.main, "valid_list.txt", "old/valid_list.txt"),
    ],
)
def test_of_two_lists_none_is_chosen(
    tmp_path: Path, make: Callable[[Path], None], main: Callable[[list[str]], int], file: str, to: str
) -> None:
    make(tmp_path / "raw")
    first, second = sorted(copied(tmp_path / "raw", file, to))
    with pytest.raises(DatasetError, match=re.escape(f"may be any of {first}, {second}; move all but one")):
        main(["--raw", str(tmp_path / "raw"), "--out", str(tmp_path / "out"), "--jobs", "1"])


@pytest.mark.parametrize(
    ("make", "main", "file", "to", "clip"),
    [
        (
            make_isogd,
            isogd.main,
            "IsoGD_phase_1/train/001/K_00001.avi",
            "aligned/train/001/K_00001.avi",
            "train/001/00001",
        ),
        (make_thu_read, thu_read.main, "Depth/D_stir_gs_1", "Depth_aligned/D_stir_gs_1", "stir_gs_1"),
        (make_thu_read, thu_read.main, "RGB/RGB_stir_gs_1.avi", "day2/RGB_stir_gs_1.avi", "stir_gs_1"),
        (make_thu_read, thu_read.main, "RGB/RGB_stir_gs_1.avi", "RGB/RGB_stir_gs_1.txt", "stir_gs_1"),
    ],
)
def test_of_two_recordings_of_a_name_none_is_chosen(
    tmp_path: Path, make: Callable[[Path], None], main: Callable[[list[str]], int], file: str, to: str, clip: str
) -> None:
    make(tmp_path / "raw")
    first, second = sorted(copied(tmp_path / "raw", file, to))
    assert main(["--raw", str(tmp_path / "raw"), "--out", str(tmp_path / "out"), "--jobs", "1"]) == 1
    by_clip = records(tmp_path / "out")
    assert f"may be any of {first}, {second}; move all but one of them elsewhere" in by_clip.pop(clip)["reason"]
    assert {record["status"] for record in by_clip.values()} == {"done"}


def test_frames_that_are_links_into_the_output_are_not_overwritten(tmp_path: Path) -> None:
    make_jester(tmp_path / "real")
    words = ["--out", str(tmp_path / "data"), "--jobs", "1"]
    assert jester.main(["--raw", str(tmp_path / "real"), *words]) == 0
    make_jester(tmp_path / "raw")
    written = tmp_path / "data" / "20bn-jester-v1" / "7" / "00001.jpg"
    frame = tmp_path / "raw" / "20bn-jester-v1" / "7" / "00001.jpg"
    frame.unlink()
    frame.symlink_to(written)
    before = written.read_bytes()
    with pytest.raises(UserError, match="must not be overwritten"):
        jester.main(["--raw", str(tmp_path / "raw"), *words, "--overwrite"])
    assert written.read_bytes() == before
