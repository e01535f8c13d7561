"""What is wrong with the data is found before the first epoch, all of it at once."""

from pathlib import Path

import pytest

from preprocess.convert import main as convert
from rgbd.dataset.layouts import NTU
from rgbd.dataset.records import RECORDS_FILE, ClipRecord
from rgbd.dataset.splits import SplitEntry, read_split, write_split
from rgbd.errors import DatasetError
from tests.support.processed import write_clips, write_config
from training.config.loading import load_config
from training.config.schema import TrainingConfig
from training.data.checks import check_data
from training.data.dataset import read_entries, usual_duration


@pytest.fixture
def config(tmp_path: Path) -> TrainingConfig:
    write_clips(tmp_path / "data", clips={"train": 6, "valid": 3}, num_frames=6)
    return load_config(write_config(tmp_path / "run.yml", tmp_path / "data", tmp_path / "out", batch_size=2))


def rewrite(config: TrainingConfig, *more: SplitEntry) -> None:
    path = NTU.split_file(config.data.root, "train", "CS")
    write_split(path, [*read_split(path, NTU), *more], NTU)


def test_a_data_set_as_it_should_be_has_nothing_to_say(config: TrainingConfig) -> None:
    assert check_data(config, 1) == []


def test_how_long_clips_last_is_what_most_of_them_do(config: TrainingConfig) -> None:
    assert usual_duration(config.data) is None  # nobody has written it
    clips = [entry.clip for entry in read_entries(config.data, "train")]
    lengths = [2.0, 3.0, 40.0, None, 2.5, 3.5]  # of one, times were not known
    records = [ClipRecord(clip=clip, status="done", duration_s=s) for clip, s in zip(clips, lengths, strict=True)]
    lines = [record.model_dump_json(exclude_none=True) + "\n" for record in records]
    (config.data.root / RECORDS_FILE).write_text("".join(lines))
    assert usual_duration(config.data) == 3.0


def test_all_problems_are_listed_at_once(config: TrainingConfig) -> None:
    clip = "S001C001P002R001A001"
    entries = [SplitEntry(f"S001C001P002R00{n}A005", 6, 4) for n in range(1, 6)]
    rewrite(config, *entries, SplitEntry(clip, 6, 0))
    NTU.frame_path(config.data.root, "rgb", clip, 5).unlink()
    with pytest.raises(DatasetError) as caught:
        check_data(config, 8)
    message = str(caught.value)
    for problem in (
        "train: labels up to 4, but there are 2 class names",
        "train: no rgb frames of S001C001P002R001A005, S001C001P002R002A005, S001C001P002R003A005 and 2 more",
        f"train: fewer rgb frames than listed of {clip}",
        "12 training clips are too few for 8 processes",
    ):
        assert problem in message
    assert "valid" not in message


def test_shards_are_checked_by_their_records(config: TrainingConfig, tmp_path: Path) -> None:
    root = config.data.root
    shards = tmp_path / "shards"
    options = ("--data", str(root), "--out", str(shards), "--dataset", "ntu", "--format", "shards", "--jobs", "1")
    assert convert([*options]) == 0
    there = config.model_copy(update={"data": config.data.model_copy(update={"root": shards})})
    assert check_data(there, 1) == []
    rewrite(there, SplitEntry("S001C001P002R009A001", 6, 0), SplitEntry("S001C001P003R001A001", 7, 0))
    with pytest.raises(
        DatasetError, match=r"(?s)no rgb frames of S001C001P002R009A001\n.*fewer .* S001C001P003R001A001"
    ):
        check_data(there, 1)


def test_one_class_can_be_told_apart_from_nothing(config: TrainingConfig) -> None:
    (config.data.root / "class_names.txt").write_text("right\n")
    rewrite(config, *[SplitEntry("S001C001P002R001A001", 6, 0)] * 2)
    with pytest.raises(DatasetError, match="one class only, 'right'"):
        check_data(config, 1)


def test_what_is_odd_but_no_obstacle_is_a_warning(config: TrainingConfig) -> None:
    (config.data.root / "class_names.txt").write_text("right\ndown\nup\n")
    rewrite(config, SplitEntry("S001C001P003R001A001", 6, 0), *[SplitEntry("S001C001P002R001A001", 6, 0)] * 2)
    assert check_data(config, 1) == [
        "1 of 3 classes have no training clips: up",
        "train: 1 clips are listed more than once, and count as often: S001C001P002R001A001",
        "the last batch of an epoch would be a single clip, of which batch norm cannot learn; it is left out",
        "1 clips are in training and in validation: S001C001P003R001A001",
    ]
