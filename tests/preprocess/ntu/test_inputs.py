"""Whatever part of the raw recordings is there is used: colour, depth, official masks, skeletons, in any company."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from rgbd.dataset.layouts import NTU
from rgbd.recording.stills.images import read_image, write_image
from tests.support.ntu_recordings import BODY_MM, CLIP, OTHER_CLIP, WALL_MM, make_recording
from tests.support.ntu_runs import run
from tests.support.processed import records


def make(raw: Path, *parts: str) -> None:
    """Write a recording and keep only `parts` of it: rgb, depth, official, skeleton."""
    make_recording(raw, rgb_frames=20, depth_frames=20)
    if "official" in parts:
        for path in sorted((raw / "nturgb+d_depth" / CLIP).iterdir()):
            depth = read_image(path)
            folder = raw / "nturgb+d_depth_masked" / CLIP
            folder.mkdir(parents=True, exist_ok=True)
            write_image(folder / f"M{path.name}", np.where(depth == BODY_MM, depth, 0).astype(np.uint16))
    folders = {"rgb": "nturgb+d_rgb", "depth": "nturgb+d_depth", "skeleton": "nturgb+d_skeletons"}
    for part, folder_name in folders.items():
        if part not in parts:
            shutil.rmtree(raw / folder_name)


@pytest.mark.parametrize(
    ("parts", "streams", "mask_source"),
    [
        (("rgb", "official"), ["rgb", "depth"], "official"),
        (("rgb", "official", "skeleton"), ["rgb", "depth"], "official"),
        (("rgb", "depth", "skeleton"), ["rgb", "depth"], "skeleton"),
        (("rgb", "depth", "official", "skeleton"), ["rgb", "depth"], "official"),
        (("rgb", "skeleton"), ["rgb"], None),
        (("depth",), ["depth"], "depth"),
        (("depth", "skeleton"), ["depth"], "skeleton"),
        (("official",), ["depth"], "official"),
        (("rgb",), ["rgb"], None),
    ],
)
def test_any_subset_of_inputs_gives_what_it_can(
    tmp_path: Path, parts: tuple[str, ...], streams: list[str], mask_source: str | None
) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make(raw, *parts)
    assert run(raw, out) == 0
    record = records(out)[CLIP]
    assert record["streams"] == streams and record.get("mask_source") == mask_source
    assert record["num_frames"] == 20
    width = 426 if parts == ("rgb",) else 320  # with nothing to find people in, the frame is kept whole
    for stream, shape in (("rgb", (240, width, 3)), ("depth", (240, width))):
        path = NTU.frame_path(out, "rgb" if stream == "rgb" else "depth", CLIP, 19)
        assert path.exists() == (stream in streams)
        if stream in streams:
            image = read_image(path)
            assert image.shape == shape
            people = (image[:, :, 0] > 170) if stream == "rgb" else (image == BODY_MM)
            assert people.mean() > 0.01  # whoever is there is in the box
    if "skeleton" in parts or "official" in parts:
        assert not [warning for warning in record["warnings"] if "no body" in warning]


def test_masks_none_keeps_all_depth_of_the_box(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make(raw, "rgb", "depth", "skeleton")
    assert run(raw, out, "--masks", "none") == 0
    depth = read_image(NTU.frame_path(out, "depth", CLIP, 0))
    assert {BODY_MM, WALL_MM} <= set(np.unique(depth)) and "mask_source" not in records(out)[CLIP]


def test_official_masks_can_be_narrowed_to_the_bodies(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make(raw, "rgb", "skeleton", "official")
    folder = raw / "nturgb+d_depth_masked" / CLIP
    for path in folder.iterdir():  # a patch of floor beside the feet, as the published masks have
        depth = read_image(path).astype(np.uint16)
        depth[88:92, 30:60][depth[88:92, 30:60] == 0] = BODY_MM + 600
        write_image(path, depth)
    assert run(raw, out, "--masks", "body") == 0
    assert set(np.unique(read_image(NTU.frame_path(out, "depth", CLIP, 0)))) == {0, BODY_MM}
    assert records(out)[CLIP]["mask_source"] == "skeleton"


def test_a_clip_that_lacks_what_others_have_is_not_passed_over(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    make_recording(raw, OTHER_CLIP)
    shutil.rmtree(raw / "nturgb+d_depth" / OTHER_CLIP)
    assert run(raw, out) == 1
    assert "has no depth, unlike other clips" in records(out)[OTHER_CLIP]["reason"]
    assert run(raw, tmp_path / "rgb", "--streams", "rgb") == 0


@pytest.mark.parametrize("roi", ["tracked", "whole"])
def test_other_boxes(tmp_path: Path, roi: str) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    skeleton = make_recording(raw, rgb_frames=20, depth_frames=20)
    assert run(raw, out, "--roi", roi) == 0
    record = records(out)[CLIP]
    first, last = (read_image(NTU.frame_path(out, "rgb", CLIP, index)) for index in (0, 19))
    if roi == "whole":
        assert record["box_color_px"] == [0, 0, 480, 270] and first.shape == (240, 426, 3)
        assert read_image(NTU.frame_path(out, "depth", CLIP, 0)).shape == (240, 426)
    else:
        assert first.shape == (240, 320, 3) and "box_color_px" not in record
        walked = skeleton[-1][0].color_xy[0, 0] - skeleton[0][0].color_xy[0, 0]
        moved = (
            np.nonzero((last[:, :, 0] > 170).any(axis=0))[0].mean()
            - np.nonzero((first[:, :, 0] > 170).any(axis=0))[0].mean()
        )
        assert walked > 80 and moved < 0.5 * walked  # in pixels of a frame, and of the box, which are about as large


def test_a_clip_on_the_authors_list_does_without_its_skeleton(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    listed = "S001C002P005R002A008"
    make_recording(raw, listed, rgb_frames=20, depth_frames=20)
    assert run(raw, out) == 0
    record = records(out)[listed]
    assert record["mask_source"] == "depth" and "declare the skeleton missing" in record["warnings"][0]
