"""Where frames lie, and what NTU's names mean."""

from pathlib import Path

import pytest

from preprocess.datasets import DATASETS, NTU_TRAINING_PERFORMERS, cross_subject_split, parse_clip_name
from preprocess.errors import DatasetError

ROOT = Path("data")


def test_ntu_layout() -> None:
    spec, clip = DATASETS["ntu"], "S001C002P003R002A013"
    assert spec.rgb_frame(ROOT, clip, 0) == ROOT / "Images/S001C002P003R002A013_rgb/000000.jpg"
    assert spec.depth_frame(ROOT, clip, 0) == ROOT / "nturgb+d_depth_masked/S001C002P003R002A013/MDepth-00000001.png"
    assert spec.split_file(ROOT, "train", "CS") == ROOT / "dataset_splits/@CS/train.txt"
    assert spec.clip_name(spec.split_name(clip)) == clip == spec.clip_name(clip)
    assert len(spec.class_names) == len(set(spec.class_names)) == 120


def test_nvgesture_layout() -> None:
    spec = DATASETS["nvgesture"]
    assert spec.rgb_frame(ROOT, "subject11_r0", 79) == ROOT / "rgb/subject11_r0/000079.jpg"
    assert spec.depth_frame(ROOT, "subject11_r0", 0) == ROOT / "depth/subject11_r0/000000.jpg"
    assert spec.split_file(ROOT, "valid", "any") == ROOT / "dataset_splits/valid.txt"
    assert spec.split_name("subject11_r0") == "subject11_r0/"
    assert len(spec.class_names) == 25


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


def test_cross_subject_protocol_goes_by_performer() -> None:
    assert len(NTU_TRAINING_PERFORMERS) == 53
    assert sum(performer <= 40 for performer in NTU_TRAINING_PERFORMERS) == 20
    assert cross_subject_split(parse_clip_name("S001C001P003R001A001")) == "valid"
    assert cross_subject_split(parse_clip_name("S003C001P001R001A001")) == "train"
    assert cross_subject_split(parse_clip_name("S032C003P106R001A120")) == "valid"
