"""Split files and class names: what is written is read again, what is malformed is refused by line."""

from pathlib import Path

import pytest

from rgbd.dataset.layouts import DATASETS
from rgbd.dataset.splits import SplitEntry, read_class_names, read_split, write_class_names, write_split
from rgbd.errors import DatasetError
from tests.support.real import real_recordings

NTU, NVGESTURE = DATASETS["ntu"], DATASETS["nvgesture"]


def test_split_round_trip(tmp_path: Path) -> None:
    entries = [SplitEntry("S001C002P003R002A013", 84, 12), SplitEntry("S001C002P003R002A001", 26, 0)]
    write_split(tmp_path / "@CS" / "train.txt", entries, NTU)
    assert (tmp_path / "@CS" / "train.txt").read_text().splitlines()[0] == "S001C002P003R002A013_rgb 84 12"
    assert read_split(tmp_path / "@CS" / "train.txt", NTU) == entries


def test_published_split_lines_with_slashes_and_spaces(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text(" subject11_r0/ 80 0 \n\nsubject11_r1/ 80 1 \n")
    assert read_split(path, NVGESTURE) == [SplitEntry("subject11_r0", 80, 0), SplitEntry("subject11_r1", 80, 1)]


@pytest.mark.parametrize("line", ["clip 80", "clip 80 1 2", "clip eighty 1", "clip 80 -1", "clip 0 1", "clip 8.5 1"])
def test_malformed_split_line_is_refused_with_its_place(tmp_path: Path, line: str) -> None:
    path = tmp_path / "train.txt"
    path.write_text(f"clip 80 1\n{line}\n")
    with pytest.raises(
        DatasetError, match=r"train\.txt, line 2: expected 'name frames label'.*correct or remove"
    ) as caught:
        read_split(path, NTU)
    assert line in str(caught.value)


def test_missing_or_empty_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"train\.txt: cannot be read"):
        read_split(tmp_path / "train.txt", NTU)
    (tmp_path / "train.txt").write_text("\n")
    with pytest.raises(DatasetError, match="lists no clips"):
        read_split(tmp_path / "train.txt", NTU)


def test_class_names(tmp_path: Path) -> None:
    assert read_class_names(tmp_path) is None
    write_class_names(tmp_path, ["wave", "sit down"])
    assert read_class_names(tmp_path) == ("wave", "sit down")
    (tmp_path / "class_names.txt").write_text("wave\n\nsit down\n")
    with pytest.raises(DatasetError, match="line 2"):
        read_class_names(tmp_path)


@pytest.mark.parametrize("split", ["train", "valid"])
def test_real_nvgesture_split_leads_to_its_frames(split: str) -> None:
    root = real_recordings("nvgesture_sample")
    path = NVGESTURE.split_file(root, "train" if split == "train" else "valid", "")
    for entry in read_split(path, NVGESTURE):
        for index in (0, entry.num_frames - 1):
            assert NVGESTURE.frame_path(root, "rgb", entry.clip, index).exists()
            assert NVGESTURE.frame_path(root, "depth", entry.clip, index).exists()
        assert not NVGESTURE.frame_path(root, "rgb", entry.clip, entry.num_frames).exists()
