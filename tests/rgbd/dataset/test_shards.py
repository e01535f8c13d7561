"""Tar shards: readable by the webdataset library and by us, and nothing in them that no record vouches for."""

import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from webdataset.tariterators import group_by_keys, tar_file_iterator

from rgbd.dataset.folders import FolderStore
from rgbd.dataset.layouts import DATASETS, NTU
from rgbd.dataset.reading import open_clips, read_frames
from rgbd.dataset.records import RECORDS_FILE, ClipRecord, Journal, read_records
from rgbd.dataset.shards import ShardStore
from rgbd.dataset.store import Store
from rgbd.errors import DatasetError
from rgbd.recording.stills.images import decode_image, read_image
from rgbd.types import Stream
from tests.support.ntu_recordings import CLIP, CLIPS, OTHER_CLIP, make_recording
from tests.support.ntu_runs import run, start
from tests.support.processed import records
from tests.support.waiting import wait_until

STREAMS: tuple[Stream, ...] = ("rgb", "depth")
SMALL = 20_000  # bytes a shard: two or three of the clips below


def images(clip: str, num_frames: int = 4) -> Iterator[tuple[Stream, np.ndarray]]:
    rng = np.random.default_rng(len(clip) + ord(clip[-1]))
    for _ in range(num_frames):
        yield "rgb", rng.integers(0, 255, (24, 32, 3), np.uint8)
        yield "depth", rng.integers(0, 4000, (24, 32), np.uint16)


def add(store: Store, journal: Journal, clip: str) -> None:
    """Do with one clip what a run does."""
    with store.writer(clip, STREAMS) as writer:
        for stream, image in images(clip):
            writer.add(stream, image)
    record = ClipRecord(clip=clip, status="done", label=3, splits={"CS": "train"}, streams=STREAMS, num_frames=4)
    journal.add(store.collect(record, STREAMS))


def open_store(root: Path) -> tuple[ShardStore, Journal]:
    root.mkdir(exist_ok=True)
    journal = Journal(root / RECORDS_FILE)
    return ShardStore(root, NTU, journal.records, SMALL), journal


def samples(root: Path) -> dict[str, dict[str, Any]]:
    """Return {clip: its sample} as the webdataset library reads the finished shards."""
    read = []
    for path in sorted((root / "shards").glob("*.tar")):
        with path.open("rb") as file:
            members = ({**member, "__url__": str(path)} for member in tar_file_iterator(file))
            read += [(sample["__key__"], sample) for sample in group_by_keys(members)]
    assert len({clip for clip, _ in read}) == len(read)
    return dict(read)


def assert_holds(root: Path, clips: list[str]) -> None:
    """Check that shards and folders give the same frames of exactly these clips."""
    reader = open_clips(root, NTU)
    for clip in clips:
        expected = list(images(clip))
        for stream in STREAMS:
            frames = read_frames(reader, stream, clip, [3, 0, 3])
            assert len(frames) == 3 and frames[0] is frames[2]
            assert frames[1].dtype == expected[STREAMS.index(stream)][1].dtype
        np.testing.assert_array_equal(read_frames(reader, "depth", clip, [1])[0], expected[3][1])
    assert set(samples(root)) == set(clips)


def test_webdataset_reads_one_sample_a_clip(tmp_path: Path) -> None:
    store, journal = open_store(tmp_path)
    for clip in ("train/001/00001", "a"):
        add(store, journal, clip)
    store.close()
    (sample, _) = samples(tmp_path)["train/001/00001"], samples(tmp_path)["a"]
    assert {name for name in sample if not name.startswith("__")} == {
        "json",
        *(f"{index:06d}.{kind}" for index in range(4) for kind in ("rgb.jpg", "depth.png")),
    }
    expected = list(images("train/001/00001"))
    np.testing.assert_array_equal(decode_image(sample["000002.depth.png"], ""), expected[5][1])
    assert sample["json"] == b'{"clip": "train/001/00001", "label": 3, "splits": {"CS": "train"}, "num_frames": 4}'


# In a process of its own, because the library leaves files open, which is an error here.
READ_AS_ITS_USERS_DO = """
import sys, webdataset
dataset = webdataset.WebDataset(sys.argv[1], shardshuffle=False).to_tuple("__key__", "json", "000003.depth.png")
for clip, facts, image in dataset:
    print(clip, len(facts) > 0, len(image) > 0)
"""


def test_webdatasets_own_pipeline_reads_a_data_set(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    make_recording(raw, OTHER_CLIP)
    assert run(raw, out, "--format", "shards") == 0
    shards = str(out / "shards" / "clips-000000.tar")
    command = [sys.executable, "-c", READ_AS_ITS_USERS_DO, shards]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == [f"{CLIP} True True", f"{OTHER_CLIP} True True"]


def test_shards_are_ended_when_they_are_full_and_go_on_in_the_next_run(tmp_path: Path) -> None:
    store, journal = open_store(tmp_path)
    for clip in "abcdefg":
        add(store, journal, clip)
    store.close()
    names = sorted(path.name for path in (tmp_path / "shards").iterdir() if path.is_file())
    assert names == [f"clips-{number:06d}.tar" for number in range(len(names))] and len(names) >= 3
    store, journal = open_store(tmp_path)
    assert all(store.holds(record) for record in journal.records.values())
    add(store, journal, "h")
    store.close()
    assert_holds(tmp_path, list("abcdefgh"))


def test_bytes_that_no_record_vouches_for_are_cut_off(tmp_path: Path) -> None:
    store, journal = open_store(tmp_path)
    add(store, journal, "a")
    # Killed while "b" was appended, "c" being written: torn bytes, a part that is complete, and one that is not.
    with store.writer("b", STREAMS) as writer:
        for stream, image in images("b"):
            writer.add(stream, image)
    (open_shard,) = (tmp_path / "shards").glob(".clips-*")
    part = tmp_path / "shards" / ".parts" / "b.tar"
    with open_shard.open("ab") as file:
        file.write(part.read_bytes()[:700])
    store, journal = open_store(tmp_path)
    assert store.holds(journal.records["a"]) and not part.exists()
    for clip in "bc":
        add(store, journal, clip)
    store.close()
    assert_holds(tmp_path, list("abc"))


def test_a_stream_that_is_added_later_joins_its_sample(tmp_path: Path) -> None:
    store, journal = open_store(tmp_path)
    record = ClipRecord(clip="a", status="done", label=3, splits={}, streams=("rgb",), num_frames=4)
    for streams in (("rgb",), ("rgb", "depth")):
        with store.writer("a", streams[-1:]) as writer:
            for stream, image in images("a"):
                if stream == streams[-1]:
                    writer.add(stream, image)
        journal.add(store.collect(record.model_copy(update={"streams": streams}), streams[-1:]))
        add(store, journal, streams[-1])  # so that the first sample is not what a shard ends with
    store.close()
    assert_holds(tmp_path, ["a", "depth", "rgb"])
    with tarfile.open(tmp_path / "shards" / "clips-000000.tar") as archive:
        assert archive.getnames()[0] == "__removed__"


def test_a_name_that_tar_readers_would_cut_is_refused(tmp_path: Path) -> None:
    store, _ = open_store(tmp_path)
    with pytest.raises(DatasetError, match="first dot"), store.writer("take.1", STREAMS):
        pass


def test_clips_whose_bytes_are_gone_are_not_held(tmp_path: Path) -> None:
    store, journal = open_store(tmp_path)
    for clip in "ab":
        add(store, journal, clip)
    (open_shard,) = (tmp_path / "shards").glob(".clips-*")
    open_shard.write_bytes(open_shard.read_bytes()[:-600])
    store, journal = open_store(tmp_path)
    assert store.holds(journal.records["a"]) and not store.holds(journal.records["b"])
    assert not FolderStore(tmp_path, NTU).holds(journal.records["a"])


def test_missing_clips_and_frames_are_named(tmp_path: Path) -> None:
    store, journal = open_store(tmp_path)
    add(store, journal, "a")
    store.close()
    reader = open_clips(tmp_path, NTU)
    with pytest.raises(DatasetError, match="where the clip z lies"):
        reader.read("rgb", "z", [0])
    with pytest.raises(DatasetError, match=r"has no a\.000009\.rgb\.jpg"):
        reader.read("rgb", "a", [9])
    (tmp_path / "shards" / "clips-000000.tar").unlink()
    with pytest.raises(DatasetError, match="No such file"):
        open_clips(tmp_path, DATASETS["ntu"]).read("depth", "a", [0])


def test_the_command_writes_shards_with_the_frames_that_folders_hold(tmp_path: Path) -> None:
    raw, folders, shards = (tmp_path / name for name in ("raw", "folders", "shards"))
    make_recording(raw)
    make_recording(raw, OTHER_CLIP)
    assert run(raw, folders) == 0 and run(raw, shards, "--format", "shards") == 0
    for clip in (CLIP, OTHER_CLIP):
        for stream in STREAMS:
            (frame,) = read_frames(open_clips(shards, NTU), stream, clip, [5])
            np.testing.assert_array_equal(frame, read_image(NTU.frame_path(folders, stream, clip, 5)))
    assert NTU.split_file(shards, "train", "CS").read_text() == NTU.split_file(folders, "train", "CS").read_text()
    with pytest.raises(DatasetError, match="'streams'"):
        run(raw, shards, "--format", "shards", "--streams", "rgb")


@pytest.mark.parametrize("num_done", [0, 7])
def test_a_killed_run_goes_on(many: Path, tmp_path: Path, num_done: int) -> None:
    out = tmp_path / "data"
    process = start(many, out, "--format", "shards")
    wait_until(
        lambda: len(read_records(out / RECORDS_FILE)) >= num_done and (out / "shards" / ".parts").exists(), process
    )
    process.kill()
    process.communicate()
    before = {clip: record.get("shard") for clip, record in records(out).items()} if num_done else {}
    assert run(many, out, "--format", "shards") == 0
    after = {clip: record["shard"] for clip, record in records(out).items()}
    assert sorted(after) == CLIPS and before.items() <= after.items()
    assert sorted(samples(out)) == CLIPS
    num_members = 0
    for path in (out / "shards").glob("*.tar"):
        with tarfile.open(path) as archive:
            num_members += len(archive.getmembers())
    assert num_members == len(CLIPS) * (1 + 12 + 12)


def test_overwrite_leaves_no_old_sample(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    for _ in range(2):
        assert run(raw, out, "--format", "shards", "--overwrite") == 0
    assert list(samples(out)) == [CLIP]


@pytest.mark.parametrize("num_splits", [1, 40])  # which fit where the facts stood, and which do not
def test_another_label_reaches_the_sample_and_leaves_its_frames(tmp_path: Path, num_splits: int) -> None:
    store, journal = open_store(tmp_path)
    for clip in ("a", "b" * 120, "c"):  # the name of the second is longer than a header has room for
        add(store, journal, clip)
    store.close()
    store, journal = open_store(tmp_path)
    splits = {f"protocol {number}": "valid" for number in range(num_splits)}
    for clip in ("a", "b" * 120):
        update = {"label": 12345, "splits": splits}
        journal.add(store.relabel(journal.records[clip].model_copy(update=update)))
    add(store, journal, "d")
    store.close()
    assert_holds(tmp_path, ["a", "b" * 120, "c", "d"])
    said = {clip: json.loads(sample["json"]) for clip, sample in samples(tmp_path).items()}
    assert said["a"] == {"clip": "a", "label": 12345, "splits": splits, "num_frames": 4}
    assert (said["b" * 120]["label"], said["c"]["label"]) == (12345, 3)
