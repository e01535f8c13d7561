"""Lists and folders as people have them: marks in front, files that systems leave, folders that may not be read."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from preprocess import isogd, jester, nvgesture
from preprocess.convert import main as convert
from preprocess.custom.dataset import main as custom
from rgbd.dataset.layouts import CUSTOM, ISOGD, JESTER, NTU, NVGESTURE, DatasetSpec
from rgbd.dataset.splits import read_class_names, read_split
from rgbd.errors import DatasetError
from tests.support.custom_runs import run, write_csv, write_frames
from tests.support.ntu_recordings import CLIP, OTHER_CLIP, make_recording
from tests.support.ntu_runs import run as run_ntu
from tests.support.processed import records

MARK = b"\xef\xbb\xbf"  # of UTF-8, as editors of Windows write it in front
# Root may read everything, but for these capabilities.
WITHOUT_PRIVILEGES = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()


def run_unprivileged(module: str, *words: object) -> subprocess.CompletedProcess[str]:
    if WITHOUT_PRIVILEGES and shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed, and root may read everything")
    command = [*WITHOUT_PRIVILEGES, sys.executable, "-m", module, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_a_folder_that_may_not_be_read_is_its_clips_failure(tmp_path: Path) -> None:
    rows = []
    for clip in ("a", "closed", "z"):
        write_frames(tmp_path / "raw" / clip)
        rows.append({"clip": clip, "depth": f"raw/{clip}", "class": "wave", "split": "train"})
    write_frames(tmp_path / "raw" / "room" / "inner")
    rows.append({"clip": "behind", "depth": "raw/room/inner", "class": "wave", "split": "train"})
    manifest, out = write_csv(tmp_path / "m.csv", *rows), tmp_path / "data"
    closed = (tmp_path / "raw" / "closed", tmp_path / "raw" / "room")
    for folder in closed:
        folder.chmod(0)
    try:
        result = run_unprivileged(
            "preprocess.custom", "--manifest", manifest, "--out", out, "--masks", "none", "--jobs", "2"
        )
    finally:
        for folder in closed:
            folder.chmod(0o755)
    assert result.returncode == 1, result.stderr
    assert "--out" not in result.stderr and "Traceback" not in result.stderr
    by_clip = records(out)
    assert {clip for clip, record in by_clip.items() if record["status"] == "done"} == {"a", "z"}
    for clip in ("closed", "behind"):
        assert "cannot be read (Permission denied); check" in by_clip[clip]["reason"]


def test_an_output_that_may_not_be_written_still_ends_the_run(tmp_path: Path) -> None:
    write_frames(tmp_path / "raw" / "a")
    manifest = write_csv(tmp_path / "m.csv", {"clip": "a", "depth": "raw/a", "class": "wave", "split": "train"})
    out = tmp_path / "data"
    (out / "depth").mkdir(parents=True)
    assert run(manifest, tmp_path / "other", "--masks", "none") == 0
    for name in ("records.jsonl", "preprocess.json"):
        (tmp_path / "other" / name).rename(out / name)
    (out / "depth").chmod(0o555)
    try:
        result = run_unprivileged("preprocess.custom", "--manifest", manifest, "--out", out, "--masks", "none")
    finally:
        (out / "depth").chmod(0o755)
    assert result.returncode == 2 and f"--out {out}: cannot be written (Permission denied)" in result.stderr


def write_lists(raw: Path, name: str) -> dict[str, bytes]:
    frames = write_frames(raw / "frames", suffix=".jpg")
    for place in ("20bn-jester-v1/7", "train/001/M_00001.avi", "train/001/K_00001.avi", "v/class_01/s_r0/sk_color.avi"):
        shutil.copytree(frames, raw / place)
    shutil.copytree(frames, raw / "v/class_01/s_r0/sk_depth.avi")
    lists = {
        "jester": {"jester-v1-train.csv": b"7;Thumb Up\n", "jester-v1-labels.csv": b"Thumb Up\nStop Sign\n"},
        "isogd": {"train.txt": b"train/001/M_00001.avi train/001/K_00001.avi 1\n"},
        "nvgesture": {
            "nvgesture_train_correct_v2.lst": b"path:./v/class_01/s_r0 depth:sk_depth:0:3 color:sk_color:0:3 label:1\n"
        },
    }
    return lists[name]


@pytest.mark.parametrize(
    ("name", "main", "spec"),
    [("jester", jester.main, JESTER), ("isogd", isogd.main, ISOGD), ("nvgesture", nvgesture.main, NVGESTURE)],
)
def test_a_mark_in_front_of_a_list_costs_no_clip(
    tmp_path: Path, name: str, main: Callable[[list[str]], int], spec: DatasetSpec
) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    for file, text in write_lists(raw, name).items():
        (raw / file).write_bytes(MARK + text)
    assert main(["--raw", str(raw), "--out", str(out), "--jobs", "1"]) == 0
    (entry,) = read_split(spec.split_file(out, "train", ""), spec)
    assert entry.label == 0 and not any("\ufeff" in name for name in read_class_names(out) or ())


def test_a_mark_in_front_of_names_and_split_files_is_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "class_names.txt").write_bytes(MARK + b"wave\n")
    assert read_class_names(tmp_path) == ("wave",)
    (tmp_path / "train.txt").write_bytes(MARK + b"a 3 0\n")
    assert [entry.clip for entry in read_split(tmp_path / "train.txt", CUSTOM)] == ["a"]
    raw = tmp_path / "raw"
    write_frames(raw / "a")
    for name, text in (
        ("m.csv", b"clip,depth,class,split\na,a,wave,train\n"),
        ("m.jsonl", b'{"clip": "a", "depth": "a", "class": "wave", "split": "train"}\n'),
    ):
        (raw / name).write_bytes(MARK + text)
        assert run(raw / name, tmp_path / name, "--masks", "none") == 0


def test_what_systems_leave_among_recordings_is_none(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    junk = b"\x00\x05\x16\x07 Mac OS X        "
    for name in (
        f"nturgb+d_rgb/._{CLIP}_rgb.avi",
        f"nturgb+d_skeletons/._{CLIP}.skeleton",
        f"nturgb+d_depth/{CLIP}/._Depth-00000003.png",
        f"nturgb+d_depth/{CLIP}/Thumbs.db",
        "nturgb+d_depth/.DS_Store",
    ):
        (raw / name).write_bytes(junk)
    (raw / "nturgb+d_depth" / ".Trashes").mkdir()
    assert run_ntu(raw, out) == 0
    assert list(records(out)) == [CLIP] and records(out)[CLIP]["num_frames"] == 6
    write_frames(tmp_path / "own" / "a")
    (tmp_path / "own" / "a" / "._00003.png").write_bytes(junk)
    manifest = write_csv(tmp_path / "own" / "m.csv", {"clip": "a", "depth": "a", "class": "wave", "split": "train"})
    assert run(manifest, tmp_path / "own_data", "--masks", "none") == 0
    assert records(tmp_path / "own_data")["a"]["num_frames"] == 3


def test_labels_that_cannot_be_are_refused_with_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_frames(tmp_path / "raw")
    rows = [{"clip": f"c{label}", "depth": "raw", "label": label, "split": "train"} for label in (0, 1, 500_000)]
    manifest = write_csv(tmp_path / "m.csv", *rows)
    with pytest.raises(DatasetError, match=r"c500000 has the label 500000.*500001 classes, of which 3.*column class"):
        custom(["--manifest", str(manifest), "--out", str(tmp_path / "data")])
    assert not (tmp_path / "data").exists()
    assert run(write_csv(tmp_path / "m.csv", *rows[:2]), tmp_path / "data", "--masks", "none") == 0
    assert "no recording" not in capsys.readouterr().err
    few = [rows[0], {"clip": "c5", "depth": "raw", "label": 5, "split": "valid"}]
    assert run(write_csv(tmp_path / "m.csv", *few), tmp_path / "few", "--masks", "none") == 0
    assert "labels go up to 5, and 4 of them, such as 1, have no recording" in capsys.readouterr().err


def test_a_clip_in_two_splits_stays_in_both_and_one_of_two_classes_is_refused(tmp_path: Path) -> None:
    raw, data, out = tmp_path / "raw", tmp_path / "data", tmp_path / "out"
    make_recording(raw)
    make_recording(raw, OTHER_CLIP)
    assert run_ntu(raw, data) == 0
    for name in ("records.jsonl", "preprocess.json"):
        (data / name).unlink()
    with NTU.split_file(data, "valid", "CS").open("a") as file:
        file.write(f"{CLIP}_rgb 6 1\n{OTHER_CLIP}_rgb 6 3\n")
    assert convert(["--data", str(data), "--out", str(out), "--dataset", "ntu", "--jobs", "1"]) == 1
    reason = records(out)[OTHER_CLIP]["reason"]
    assert "is listed as class 0 with 6 frames and as class 3 with 6 frames; correct the split files" in reason
    for split in ("train", "valid"):
        assert [entry.clip for entry in read_split(NTU.split_file(out, split, "CS"), NTU)] == [CLIP]
