"""Folders to shards and back: the same files, byte for byte, whoever has preprocessed them."""

from pathlib import Path

import pytest

from preprocess.convert import main
from rgbd.dataset.layouts import NTU, NVGESTURE
from rgbd.dataset.reading import open_clips
from rgbd.dataset.splits import read_split
from rgbd.errors import DatasetError
from tests.support.ntu_recordings import CLIP, OTHER_CLIP, make_recording
from tests.support.ntu_runs import run
from tests.support.processed import records
from tests.support.real import real_recordings


def convert(data: Path, out: Path, *options: str) -> int:
    return main(["--data", str(data), "--out", str(out), "--jobs", "1", *options])


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_there_and_back_is_the_same_tree(tmp_path: Path) -> None:
    raw, data, shards, back = (tmp_path / name for name in ("raw", "data", "shards", "back"))
    make_recording(raw)
    make_recording(raw, OTHER_CLIP, depth_frames=4)
    assert run(raw, data) == 0
    assert convert(data, shards, "--format", "shards") == 0
    assert not list(shards.glob("Images*"))
    assert convert(shards, back, "--format", "folders") == 0
    before, after = tree(data), tree(back)
    assert before.pop("records.jsonl") and after.pop("records.jsonl")
    assert before == after
    timeless = [{clip: record | {"seconds": 0} for clip, record in records(root).items()} for root in (data, back)]
    assert timeless[0] == timeless[1]


def test_data_that_another_program_has_preprocessed_needs_only_split_files(tmp_path: Path) -> None:
    raw, data, shards = (tmp_path / name for name in ("raw", "data", "shards"))
    make_recording(raw)
    assert run(raw, data) == 0
    for name in ("records.jsonl", "preprocess.json"):
        (data / name).unlink()
    with pytest.raises(DatasetError, match="--dataset"):
        convert(data, shards, "--format", "shards")
    assert convert(data, shards, "--dataset", "ntu", "--format", "shards") == 0
    (entry,) = read_split(NTU.split_file(shards, "train", "CS"), NTU)
    assert (entry.clip, entry.num_frames, entry.label) == (CLIP, 6, 1)
    content = open_clips(shards, NTU).read("depth", CLIP, [2])[2]
    assert content == NTU.frame_path(data, "depth", CLIP, 2).read_bytes()


def test_a_clip_with_missing_files_is_named_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw, data, shards = (tmp_path / name for name in ("raw", "data", "shards"))
    make_recording(raw)
    make_recording(raw, OTHER_CLIP)
    assert run(raw, data) == 0
    NTU.frame_path(data, "depth", CLIP, 3).unlink()
    assert convert(data, shards, "--format", "shards") == 1
    assert f"failed: {CLIP}" in capsys.readouterr().err and records(shards)[OTHER_CLIP]["status"] == "done"


@pytest.mark.parametrize("make", [lambda _: None, lambda data: data.mkdir()])
def test_what_is_no_data_set_is_refused(tmp_path: Path, make: object) -> None:
    make(tmp_path / "data")  # type: ignore[operator]
    with pytest.raises(DatasetError, match="check --data"):
        convert(tmp_path / "data", tmp_path / "out", "--dataset", "ntu")


def test_real_nvgesture_frames_become_shards(tmp_path: Path) -> None:
    data = real_recordings("nvgesture_sample")
    assert convert(data, tmp_path / "out", "--dataset", "nvgesture", "--format", "shards") == 0
    reader = open_clips(tmp_path / "out", NVGESTURE)
    for stream in ("rgb", "depth"):
        content = reader.read(stream, "subject11_r1", [79])[79]
        assert content == NVGESTURE.frame_path(data, stream, "subject11_r1", 79).read_bytes()
