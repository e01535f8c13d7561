"""Millimetres become colours: in range, indifferent to distance, grey; what was not measured stays black."""

import numpy as np
import pytest
from pydantic import ValidationError

from rgbd.clip.depth_encoding import DepthEncoding, encode_depth

RAMP = np.arange(0, 6000, 10, dtype=np.uint16).reshape(20, 30)


def test_grey_is_three_equal_channels_that_fall_with_distance() -> None:
    (image,) = encode_depth([RAMP], DepthEncoding(colors="grey", near_mm=1000, far_mm=3000))
    assert image.dtype == np.uint8 and image.shape == (20, 30, 3)
    assert (image[:, :, :1] == image).all()
    grey = image[:, :, 0].reshape(-1).astype(int)
    assert grey[0] == 0  # nothing was measured
    assert (grey[1:100] == 255).all() and (grey[300:] == 0).all() and grey[200] == 127
    assert (np.diff(grey[1:]) <= 0).all()


def test_jet_runs_from_red_near_to_blue_far_and_black_is_nothing() -> None:
    (image,) = encode_depth([RAMP], DepthEncoding(near_mm=1000, far_mm=3000))
    colors = image.reshape(-1, 3).astype(int)
    assert colors[0].tolist() == [0, 0, 0]
    assert colors[100, 0] > colors[100, 2] and colors[300, 2] > colors[300, 0] and colors[200, 1] > 200


@pytest.mark.parametrize("colors", ["jet", "grey", "motion"])
def test_centred_is_indifferent_to_where_people_stand(colors: str) -> None:
    encoding = DepthEncoding.model_validate({"mode": "centred", "span_mm": 800, "colors": colors})
    body = np.where(RAMP > 0, RAMP // 8 + 2000, 0).astype(np.uint16)
    near, far = (encode_depth([np.where(body > 0, body + step, 0).astype(np.uint16)], encoding) for step in (0, 1500))
    np.testing.assert_array_equal(near[0], far[0])


def test_impossible_ranges_are_refused() -> None:
    with pytest.raises(ValidationError, match="near_mm < far_mm"):
        DepthEncoding(near_mm=3000, far_mm=1000)


def test_motion_is_grey_and_what_it_differs_by_from_the_frames_beside_it() -> None:
    wall = np.full((4, 4), 2000, np.uint16)
    hand = wall.copy()
    hand[1, 1] = 1000
    encoding = DepthEncoding(colors="motion", near_mm=1000, far_mm=3000)
    first, second, third = encode_depth([wall, hand, wall], encoding)
    assert first[0, 0].tolist() == second[0, 0].tolist() == third[0, 0].tolist() == [127, 128, 128]
    assert first[1, 1].tolist() == [127, 128, 192]  # 128 nearer comes, at half the scale
    assert second[1, 1].tolist() == [255, 192, 64]
    assert third[1, 1].tolist() == [127, 64, 128]
    (alone,) = encode_depth([hand], encoding)
    assert (alone[:, :, 1:] == 128).all()


def test_where_nothing_was_measured_motion_is_as_if_it_were_far() -> None:
    nothing, near = np.zeros((2, 2), np.uint16), np.full((2, 2), 500, np.uint16)
    first, second = encode_depth([nothing, near], DepthEncoding(colors="motion", near_mm=500, far_mm=4500))
    assert first[0, 0].tolist() == [0, 128, 255] and second[0, 0].tolist() == [255, 255, 128]
