"""A clip that looks unlike what a network was trained on is told from one that does not."""

from pathlib import Path

import numpy as np
import pytest

from rgbd.clip.appearance import Appearance, Look, appearance_of, differences, look_of, presumed_appearance
from rgbd.recording.formats import open_streams
from rgbd.recording.stills.images import read_image
from tests.support.ntu_recordings import CLIP, OTHER_CLIP, make_recording
from tests.support.ntu_runs import output_of, run

PREPARED = Appearance(aspect_ratio=(4 / 3, 4 / 3), height_px=(240, 240), empty_share=(0.6, 0.95))


def test_prepared_clips_are_alike_and_raw_ones_are_not(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    for clip in (CLIP, OTHER_CLIP):
        make_recording(raw, clip)
    assert run(raw, out) == 0
    colors, depths = (
        [[read_image(path) for path in sorted(folder.iterdir())] for folder in folders]
        for folders in zip(*(output_of(out, clip) for clip in (CLIP, OTHER_CLIP)), strict=True)
    )
    rgb, depth = appearance_of([look_of(colors[0], "rgb")]), appearance_of([look_of(depths[0], "depth")])
    assert rgb.empty_share is None and depth.empty_share is not None and depth.empty_share[0] > 0.5
    assert differences(look_of(colors[1], "rgb"), rgb) == differences(look_of(depths[1], "depth"), depth) == []
    picture = next(open_streams(raw / "nturgb+d_rgb" / f"{CLIP}_rgb.avi")[0].read())
    assert not isinstance(picture, np.ndarray)
    (shape,) = differences(look_of([picture.to_ndarray(format="rgb24")], "rgb"), rgb)
    assert "480x270, have another shape (1.78:1 instead of 1.33:1)" in shape
    frames = [read_image(path) for path in sorted((raw / "nturgb+d_depth" / CLIP).iterdir())]
    assert any("background is not masked" in words for words in differences(look_of(frames, "depth"), depth))


@pytest.mark.parametrize(
    ("look", "reasons"),
    [
        (Look(320, 240, 0.5), []),  # somebody near
        (Look(320, 240, 0.98), []),  # somebody far away
        (Look(320, 240, 0.99), ["almost nothing of it was measured (99 % of it is empty, instead of 60 to 95 %)"]),
        (
            Look(320, 240, 1.0),
            ["nothing of it was measured (100 % of it is empty, instead of 60 to 95 %), or depth_scale_mm is wrong"],
        ),
        (Look(322, 240, 0.8), []),
        (Look(320, 240, 0.1), ["its background is not masked (10 % of it is empty, instead of 60 to 95 %)"]),
        (Look(640, 480, 0.8), ["its frames are 480 pixels high instead of 240"]),
        (Look(512, 424, 0.2), ["another shape (1.21:1", "424 pixels high", "not masked"]),
        (Look(160, 120, 0.8), ["120 pixels high"]),
    ],
)
def test_each_difference_is_named(look: Look, reasons: list[str]) -> None:
    found = differences(look, PREPARED)
    assert len(found) == len(reasons)
    assert all(reason in words for reason, words in zip(reasons, found, strict=True))


def test_a_masked_clip_is_unlike_those_of_a_whole_room() -> None:
    room = PREPARED.model_copy(update={"empty_share": (0.02, 0.2)})
    assert differences(Look(320, 240, 0.3), room) == []
    assert "its background is masked" in differences(Look(320, 240, 0.9), room)[0]


@pytest.mark.parametrize("high", [0.0, 0.2, 0.9, 0.999, 1.0])
def test_depth_that_is_empty_is_always_named(high: float) -> None:
    trained_on = PREPARED.model_copy(update={"empty_share": (0.0, high)})
    (found,) = differences(Look(320, 240, 1.0), trained_on)
    assert found.startswith("nothing of it was measured")
    if high < 1:
        assert differences(Look(320, 240, high), trained_on) == []


def test_of_8_bit_depth_what_jpeg_leaves_black_is_empty() -> None:
    image = np.zeros((24, 32, 3), np.uint8)
    image[:, :8] = 90
    image[:, 8:] = 7
    assert look_of([image], "depth").empty_share == 0.75


def test_a_model_that_knows_nothing_is_taken_for_one_of_prepared_clips() -> None:
    presumed, small = presumed_appearance((320, 240)), presumed_appearance((64, 48))
    assert differences(Look(320, 240, 0.0), presumed) == []
    assert differences(Look(64, 48, None), small) == differences(Look(320, 240, None), small) == []
    assert [len(differences(Look(*size, None), presumed)) for size in ((1920, 1080), (640, 480), (512, 424))] == [
        2,
        1,
        2,
    ]
