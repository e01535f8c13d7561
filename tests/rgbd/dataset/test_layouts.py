"""Where frames lie."""

from pathlib import Path

from rgbd.dataset.layouts import DATASETS

ROOT = Path("data")


def test_ntu_layout() -> None:
    spec, clip = DATASETS["ntu"], "S001C002P003R002A013"
    assert spec.frame_path(ROOT, "rgb", clip, 0) == ROOT / "Images/S001C002P003R002A013_rgb/000000.jpg"
    assert (
        spec.frame_path(ROOT, "depth", clip, 0)
        == ROOT / "nturgb+d_depth_masked/S001C002P003R002A013/MDepth-00000001.png"
    )
    assert spec.split_file(ROOT, "train", "CS") == ROOT / "dataset_splits/@CS/train.txt"
    assert spec.clip_name(spec.split_name(clip)) == clip == spec.clip_name(clip)
    assert len(spec.class_names) == len(set(spec.class_names)) == 120


def test_nvgesture_layout() -> None:
    spec = DATASETS["nvgesture"]
    assert spec.frame_path(ROOT, "rgb", "subject11_r0", 79) == ROOT / "rgb/subject11_r0/000079.jpg"
    assert spec.frame_path(ROOT, "depth", "subject11_r0", 0) == ROOT / "depth/subject11_r0/000000.jpg"
    assert spec.split_file(ROOT, "valid", "any") == ROOT / "dataset_splits/valid.txt"
    assert spec.split_name("subject11_r0") == "subject11_r0/"
    assert len(spec.class_names) == 25


def test_a_protocol_of_fewer_classes_keeps_the_background() -> None:
    spec, names = DATASETS["ntu"], (*DATASETS["ntu"].class_names, "background")
    assert spec.classes_of("CS", names) == (*names[:60], "background")
    assert spec.classes_of("CS120", names) == names and spec.classes_of("CS", names[:-1]) == names[:60]
    assert spec.classes_of("CS", ("wave", "background")) == ("wave", "background")
    order = spec.label_order("CS", names)
    assert [order.index(label) for label in (0, 59, 120)] == [0, 59, 60]
    assert order.index(60) == 61, "what is no class of the protocol is told from the background"
    assert spec.label_order("CS120", names) == list(range(121))


def test_names_without_a_folder_are_found_again_in_layouts_with_one() -> None:
    spec = DATASETS["isogd"]
    assert spec.clip_name(spec.split_name("background_a")) == "background_a"
    assert spec.clip_name("train/001/M_00001") == "train/001/00001"
