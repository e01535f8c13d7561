"""Boxes: inside the frame, 4:3, holding every body; and the published ones, number by number."""

import json
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from preprocess.registration import Registration, stretch
from preprocess.roi import (
    OUTPUT_SIZE,
    body_points,
    covering_box,
    crop_color,
    crop_depth,
    depth_box,
    holds,
    legacy_box,
    mask_points,
)
from preprocess.skeleton import Body
from tests.golden.seeding import seeded_depth

GOLDEN = Path(__file__).parents[1] / "golden" / "legacy_roi.json"
SIZES = st.tuples(st.integers(64, 2000), st.integers(64, 1200))
NTU_LIKE = Registration(source="joints", matrix=((2.89, 0.0, 190.0), (0.0, 2.89, -60.0)))


@given(SIZES, st.lists(st.tuples(st.floats(-500, 2500), st.floats(-500, 1500)), max_size=60))
def test_box_is_inside_the_frame_with_its_aspect_and_holds_every_joint_that_can_be_held(
    frame_size: tuple[int, int], joints: list[tuple[float, float]]
) -> None:
    points = np.array(joints).reshape(-1, 2)
    box = covering_box(points, frame_size)
    x0, y0, x1, y1 = box
    assert 0 <= x0 < x1 <= frame_size[0] and 0 <= y0 < y1 <= frame_size[1]
    assert (x1 - x0) * 3 == (y1 - y0) * 4
    seen = np.clip(points, 0, np.array(frame_size) - 1)
    is_largest = x1 - x0 == 4 * min(frame_size[0] // 4, frame_size[1] // 3)
    contains_all = all(x0 <= x < x1 and y0 <= y < y1 for x, y in seen)
    assert contains_all or is_largest
    assert holds(box, points, frame_size) == contains_all


def test_no_smaller_box_would_do() -> None:
    assert covering_box(np.array([[100.0, 50.0], [200.0, 151.0]]), (1920, 1080)) == (82, 50, 218, 152)


def test_body_points_leave_a_margin_in_metres_and_skip_joints_without_a_place() -> None:
    joints_m = np.zeros((25, 3), np.float32)
    joints_m[:, 0], joints_m[:, 1], joints_m[:, 2] = np.linspace(-0.5, 0.5, 25), np.linspace(-0.9, 0.9, 25), 2
    color_xy = np.stack([960 + 500 * joints_m[:, 0], 540 - 500 * joints_m[:, 1]], axis=1)  # 500 px a metre
    color_xy[3] = np.nan
    zeros = np.zeros((25, 4), np.float32)
    body = Body("1", joints_m, color_xy / 3, color_xy.astype(np.float32), zeros, np.full(25, 2))
    points = body_points([(), (body,)])
    assert np.allclose(points, [[610, -10], [1310, 1090]], atol=1)
    unseen = Body("1", joints_m, color_xy, np.full((25, 2), np.nan, np.float32), zeros, np.full(25, 2))
    assert body_points([(unseen,)]).shape == (0, 2)


def test_mask_points_go_through_the_registration() -> None:
    masks = [np.zeros((424, 512), bool) for _ in range(2)]
    masks[0][100:200, 150:190] = True
    masks[1][100:200, 200:250] = True
    points = mask_points(masks, NTU_LIKE)
    assert np.allclose(points.min(axis=0), NTU_LIKE.to_color(np.array([[145, 95]])), atol=3)
    assert np.allclose(points.max(axis=0), NTU_LIKE.to_color(np.array([[254, 204]])), atol=3)
    assert mask_points([np.zeros((4, 4), bool)], NTU_LIKE).shape == (0, 2)


def test_cropped_depth_lies_over_cropped_colour() -> None:
    depth = np.zeros((424, 512), np.uint16)
    depth[200:240, 220:260] = 2500
    corners = NTU_LIKE.to_color(np.array([[219.5, 199.5], [259.5, 239.5]])) + 0.5
    (x0, y0), (x1, y1) = np.rint(corners).astype(int)
    color = np.zeros((1080, 1920, 3), np.uint8)
    color[y0:y1, x0:x1] = 255
    box = (600, 300, 1240, 780)
    seen_by_color, seen_by_depth = crop_color(color, box)[:, :, 0] > 127, crop_depth(depth, box, NTU_LIKE) > 0
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


def test_depth_box_of_the_whole_stretched_frame_is_the_whole_depth_frame() -> None:
    registration = stretch((512, 424), (1920, 1080))
    assert depth_box((0, 0, 1920, 1080), registration) == (0, 0, 512, 424)


def test_legacy_boxes_are_the_published_ones() -> None:
    expected = json.loads(GOLDEN.read_text())["boxes_xyxy"]
    boxes = [legacy_box(seeded_depth(index), (1920, 1080)) for index in range(0, 61, 10)]
    assert [list(box or ()) for box in boxes] == expected


def test_legacy_box_without_a_body_is_none_and_at_the_border_is_clipped() -> None:
    depth = np.zeros((424, 512), np.uint16)
    assert legacy_box(depth, (1920, 1080)) is None
    depth[10:110, 0:60] = 2000
    box = legacy_box(depth, (1920, 1080))
    assert box is not None and box[:2] == (0, 0) and box[2] < 960 and box[3] < 540
