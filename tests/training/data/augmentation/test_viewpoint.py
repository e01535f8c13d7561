"""Depth as a camera beside, above or below would have recorded it."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from rgbd.types import Frame
from training.config.augmentation import ViewpointConfig
from training.data.augmentation.viewpoint import Viewpoint

FIELD_OF_VIEW = {"field_of_view_deg": 60.0}
FOCAL_PX = 160 / (2 * math.tan(math.radians(30)))


def moved(*frames: Frame, seed: int = 0, **settings: float) -> NDArray[np.uint16]:
    config = ViewpointConfig.model_validate({"probability": 1.0, **FIELD_OF_VIEW, **settings})
    return np.stack(Viewpoint(config).change(frames, np.random.default_rng(seed))).astype(np.uint16, casting="safe")


def wall(depth_mm: int = 2000) -> NDArray[np.uint16]:
    return np.full((120, 160), depth_mm, np.uint16)


def test_without_an_angle_nothing_moves() -> None:
    frame = wall()
    frame[40:60, 50:70] = 1500
    frame[:10] = 0
    np.testing.assert_array_equal(moved(frame, yaw_deg=0, pitch_deg=0)[0], frame)


def test_a_wall_turns_by_the_angle_that_was_drawn() -> None:
    angle = math.radians(np.random.default_rng(0).uniform(size=2)[1] * 40 - 20)  # the first draw is whether
    turned = moved(wall(), yaw_deg=20, pitch_deg=0)[0].astype(float)
    row = turned[60]
    columns = np.flatnonzero(row)
    aside = (columns - 79.5) * row[columns] / FOCAL_PX
    slope = np.polyfit(aside, row[columns], 1)[0]
    assert abs(slope) == pytest.approx(abs(math.tan(angle)), abs=0.01)


def test_what_is_in_front_moves_against_what_is_behind() -> None:
    frame = wall(3000)
    frame[50:70, 70:90] = 1500
    for seed in range(4):
        turned = moved(frame, seed=seed, yaw_deg=20, pitch_deg=0)[0]
        near = np.flatnonzero((turned[60] > 0) & (turned[60] < 2000))
        assert near.size
        assert abs(near.mean() - 79.5) > 1  # the middle of the wall stays


def test_of_two_points_on_one_pixel_the_nearer_is_seen() -> None:
    frame = wall(3000)
    frame[:, 60:100] = 1000
    turned = moved(frame, yaw_deg=30, pitch_deg=0)[0]
    near = turned[60][(turned[60] > 0) & (turned[60] < 1800)]
    assert near.size > 20
    assert np.abs(np.diff(near.astype(int))).max() < 300  # nothing of the wall shines through


def test_all_frames_turn_by_the_same_angles_and_the_given_ones_stay() -> None:
    frame = wall()
    frame[40:60, 50:70] = 1500
    before = frame.copy()
    first, second = moved(frame, frame.copy())
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(frame, before)


def test_images_and_empty_frames_stay_as_they_are() -> None:
    image, empty = np.full((12, 16, 3), 9, np.uint8), np.zeros((12, 16), np.uint16)
    for frame in (image, empty):
        config = ViewpointConfig(probability=1.0)
        (same,) = Viewpoint(config).change([frame], np.random.default_rng(0))
        assert same is frame


def test_a_share_of_the_clips_is_moved() -> None:
    frame = wall()
    augmentation = Viewpoint(ViewpointConfig(probability=0.5))
    changed = [augmentation.change([frame], np.random.default_rng(seed))[0] is not frame for seed in range(200)]
    assert 0.35 < np.mean(changed) < 0.65
