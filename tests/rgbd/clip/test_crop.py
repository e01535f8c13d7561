"""Crops: colour and depth lie over each other, and cutting the stored planes gives what converting first would."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from rgbd.camera.registration import Registration
from rgbd.clip.crop import OUTPUT_SIZE, crop_depth, crop_picture, whole_size
from rgbd.people.boxes import depth_box
from rgbd.recording.videos.video import decode_video, read_video, write_video
from rgbd.types import Box

NTU_LIKE = Registration(source="joints", matrix=((2.89, 0.0, 190.0), (0.0, 2.89, -60.0)))


@pytest.mark.parametrize("box", [(0, 0, 640, 480), (40, 60, 360, 300), (100, 20, 180, 80), (101, 33, 429, 279)])
def test_crop_of_stored_planes_is_the_crop_of_the_converted_frame(tmp_path: Path, box: Box) -> None:
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC)
    write_video(tmp_path / "a.avi", [smooth])
    (picture,), (frame,) = decode_video(tmp_path / "a.avi"), read_video(tmp_path / "a.avi")
    x0, y0, x1, y1 = box
    expected = cv2.resize(frame[y0:y1, x0:x1], OUTPUT_SIZE, interpolation=cv2.INTER_AREA).astype(int)
    for cropped in (crop_picture(picture, box), crop_picture(frame, box)):
        assert cropped.shape == (240, 320, 3) and cropped.dtype == np.uint8
        assert np.abs(cropped - expected).mean() < 3  # two libraries round the colours differently


def test_other_kinds_of_colour_go_through_the_video_library(tmp_path: Path) -> None:
    write_video(tmp_path / "a.avi", [np.full((96, 128, 3), (200, 90, 30), np.uint8)])
    (picture,) = decode_video(tmp_path / "a.avi")
    for other in (picture.reformat(format="yuvj420p"), picture.reformat(format="yuv444p")):
        assert np.abs(crop_picture(other, (0, 0, 128, 96)).astype(int) - (200, 90, 30)).max() < 8


def test_whole_frames_keep_their_aspect() -> None:
    assert (
        whole_size((1920, 1080)) == (426, 240)
        and whole_size((640, 480)) == (320, 240)
        and whole_size((175, 100)) == (175, 100)
    )


def test_cropped_depth_lies_over_cropped_colour() -> None:
    depth = np.zeros((424, 512), np.uint16)
    depth[200:240, 220:260] = 2500
    corners = NTU_LIKE.to_color(np.array([[219.5, 199.5], [259.5, 239.5]])) + 0.5
    (x0, y0), (x1, y1) = np.rint(corners).astype(int)
    color = np.zeros((1080, 1920, 3), np.uint8)
    color[y0:y1, x0:x1] = 255
    box = (600, 300, 1240, 780)
    seen_by_color, seen_by_depth = crop_picture(color, box)[:, :, 0] > 127, crop_depth(depth, box, NTU_LIKE) > 0
    assert seen_by_color.sum() > 2000
    assert (seen_by_color != seen_by_depth).mean() < 0.003  # half a pixel around the square's edge


def test_depth_box_outside_the_depth_frame_is_padded_with_zero() -> None:
    depth = np.full((424, 512), 3000, np.uint16)
    box = (0, 0, 1440, 1080)
    x0, _, x1, _ = depth_box(box, NTU_LIKE)
    assert x0 < 0 and x1 < 512
    cropped = crop_depth(depth, box, NTU_LIKE)
    assert cropped.shape == OUTPUT_SIZE[::-1] and cropped.dtype == np.uint16
    first_seen = round(-x0 / (x1 - x0) * OUTPUT_SIZE[0])
    assert not cropped[:, : first_seen - 1].any()
    assert (cropped[100, first_seen + 1 :] == 3000).all()
