"""Frames of the wrong kind make no clip, whoever asks for it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from rgbd.clip.build import build_clip
from rgbd.clip.depth_encoding import DepthEncoding
from rgbd.clip.spec import ClipSpec, centred_geometry
from rgbd.errors import MediaError
from rgbd.types import Frame, Stream

MEASURED = ClipSpec(num_frames=2, resize=(64, 64), crop=64, size=64)  # type: ignore[arg-type]
IMAGES = MEASURED.model_copy(update={"depth": DepthEncoding(mode="image")})
DEPTH: Frame = np.full((48, 64), 1500, np.uint16)
COLOR: Frame = np.full((48, 64, 3), 90, np.uint8)


@pytest.mark.parametrize(
    ("stream", "spec", "frame"),
    [("rgb", MEASURED, COLOR), ("rgb", IMAGES, COLOR), ("depth", MEASURED, DEPTH), ("depth", IMAGES, COLOR)],
)
def test_the_right_kind_makes_a_clip(stream: Stream, spec: ClipSpec, frame: Frame) -> None:
    assert build_clip([frame] * 2, stream, spec, centred_geometry(spec)).shape == (2, 64, 64, 3)


@pytest.mark.parametrize(
    ("stream", "spec", "frames", "reason"),
    [
        ("rgb", MEASURED, [DEPTH, DEPTH], "holds 16-bit depth; give it as depth"),
        ("depth", IMAGES, [DEPTH, DEPTH], "was trained on 8-bit depth images"),
        ("depth", MEASURED, [COLOR, COLOR], "needs distances"),
        ("depth", MEASURED, [DEPTH, COLOR], "mixes frames of 16-bit depth with 8-bit images"),
    ],
)
def test_the_wrong_kind_is_refused(stream: Stream, spec: ClipSpec, frames: list[Frame], reason: str) -> None:
    with pytest.raises(MediaError, match=reason):
        build_clip(frames, stream, spec, centred_geometry(spec))


@pytest.mark.parametrize("width", [320, 960])  # the wider one is averaged before it is warped
def test_frames_are_turned_before_they_are_resized(width: int) -> None:
    """As the reference does it: where resizing changes the shape, that is another turn than after it."""
    spec = ClipSpec(num_frames=1, resize=(256, 256), crop=224, size=224)  # type: ignore[arg-type]
    frame = np.zeros((240, width, 3), np.uint8)
    cv2.rectangle(frame, (width // 3, 80), (2 * width // 3, 160), (255, 255, 255), thickness=-1)
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, 239 / 2), 20, 1.0)  # counter-clockwise
    expected = cv2.resize(cv2.warpAffine(frame, turn, (width, 240)), (256, 256), interpolation=cv2.INTER_AREA)
    (clip,) = build_clip([frame], "rgb", spec, replace(centred_geometry(spec), angle_deg=20.0))
    difference = np.abs(clip.astype(int) - expected[16:240, 16:240].astype(int)).mean()
    assert difference < 2, difference  # outlines blur in another way; turned after resizing it is 4 and more


def test_zoom_enlarges_what_is_in_the_middle_of_the_crop() -> None:
    spec = ClipSpec(num_frames=1, resize=(128, 96), crop=64, size=64)  # type: ignore[arg-type]
    frame = np.zeros((96, 128, 3), np.uint8)
    cv2.rectangle(frame, (54, 38), (73, 57), (255, 255, 255), thickness=-1)  # 20 pixels wide, in the middle
    for zoom, wanted_px in ((1.0, 20), (1.5, 30), (0.75, 15)):
        (clip,) = build_clip([frame], "rgb", spec, replace(centred_geometry(spec), zoom=zoom))
        columns = clip[32, :, 0].astype(float) / 255
        assert columns.sum() == pytest.approx(wanted_px, abs=0.6)
        assert (columns * np.arange(64)).sum() / columns.sum() == pytest.approx(31.5, abs=0.1)


def test_what_zooming_out_uncovers_is_black() -> None:
    spec = ClipSpec(num_frames=1, resize=(64, 64), crop=64, size=64)  # type: ignore[arg-type]
    white = np.full((64, 64, 3), 255, np.uint8)
    (clip,) = build_clip([white], "rgb", spec, replace(centred_geometry(spec), zoom=0.5))
    assert (clip[:15] == 0).all() and (clip[:, :15] == 0).all() and (clip[20:44, 20:44] == 255).all()
