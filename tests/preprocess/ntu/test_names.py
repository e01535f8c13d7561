"""What NTU's names mean, and which half of which protocol they belong to."""

import json

import pytest

from preprocess.ntu.names import NTU_TRAINING_PERFORMERS, clips_without_skeleton, parse_clip_name, protocol_splits
from rgbd.dataset.ntu_classes import NTU_CLASSES
from rgbd.errors import DatasetError
from tests.support.real import real_recordings


def test_clip_name_says_what_it_says() -> None:
    clip = parse_clip_name("S017C003P008R002A060")
    assert (clip.setup, clip.camera, clip.performer, clip.replication, clip.action) == (17, 3, 8, 2, 60)
    assert clip.label == 59


@pytest.mark.parametrize(
    "name",
    [
        "",
        "S001C002P003R002A013_rgb",
        "P12/S001C002P003R002A013",
        "S001C002P003R002",
        "S001C002P003R002A000",
        "s1c2p3r2a13",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(DatasetError, match="not the name of an NTU clip"):
        parse_clip_name(name)


def splits(name: str, *, with_120: bool = False) -> dict[str, str]:
    return dict(protocol_splits(parse_clip_name(name), with_120=with_120))


def test_protocols_go_by_performer_camera_and_setup() -> None:
    assert len(NTU_TRAINING_PERFORMERS) == 53
    assert sum(performer <= 40 for performer in NTU_TRAINING_PERFORMERS) == 20
    assert splits("S001C001P003R001A001") == {"CS": "valid", "CV": "valid"}
    assert splits("S003C002P001R001A001") == {"CS": "train", "CV": "train"}
    assert splits("S002C003P003R001A001", with_120=True) == {
        "CS": "valid",
        "CV": "train",
        "CS120": "valid",
        "CSet120": "train",
    }
    assert splits("S031C001P103R001A120", with_120=True) == {"CS120": "train", "CSet120": "valid"}


def test_clips_without_skeleton_are_named_as_their_authors_count_them() -> None:
    clips = [parse_clip_name(name) for name in clips_without_skeleton()]
    assert len(clips) == 535 and sum(not clip.is_of_120 for clip in clips) == 302


def test_built_in_lists_are_the_authors() -> None:
    folder = real_recordings("ntu_lists")
    ids = json.loads((folder / "split_ids.json").read_text())
    assert set(ids["ntu120"]["xsub_train_subjects"]) == NTU_TRAINING_PERFORMERS
    rows = (folder / "class_names_official_120.tsv").read_text().splitlines()
    assert tuple(row.split("\t")[1].strip().replace("\u2019", "'") for row in rows) == NTU_CLASSES
    for file in folder.glob("*missing_skeletons.txt"):
        listed = {line.strip() for line in file.read_text().splitlines() if line.startswith("S0")}
        assert listed == {name for name in clips_without_skeleton() if "120" in file.name or name < "S018"}
