"""Boxes: inside the frame, 4:3, holding every body; and the published ones, number by number."""

import json
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rgbd.camera.registration import Registration, stretch
from rgbd.people.boxes import (
    body_points,
    covering_box,
    depth_box,
    holds,
    leaves,
    legacy_box,
    mask_points,
    tracked_boxes,
)
from rgbd.recording.skeletons.joint_layout import KINECT_V1
from rgbd.recording.skeletons.skeleton import Body
from tests.golden.seeding import seeded_depth

GOLDEN = Path(__file__).parents[2] / "golden" / "legacy_roi.json"
SIZES = st.tuples(st.integers(64, 2000), st.integers(64, 1200))
NTU_LIKE = Registration(source="joints", matrix=((2.89, 0.0, 190.0), (0.0, 2.89, -60.0)))


@given(SIZES, st.lists(st.tuples(st.floats(-500, 2500), st.floats(-500, 1500)), min_size=1, max_size=60))
def test_box_is_inside_the_frame_with_its_aspect_and_holds_every_joint_that_can_be_held(
    frame_size: tuple[int, int], joints: list[tuple[float, float]]
) -> None:
    points = np.array(joints).reshape(-1, 2)
    box = covering_box(points, frame_size)
    x0, y0, x1, y1 = box
    assert 0 <= x0 < x1 <= frame_size[0] and 0 <= y0 < y1 <= frame_size[1]
    assert (x1 - x0) * 3 == (y1 - y0) * 4
    seen = np.clip(points, 0, np.array(frame_size) - 1)
    is_largest = x1 - x0 == 8 * min(frame_size[0] // 8, frame_size[1] // 6)
    contains_all = all(x0 <= x < x1 and y0 <= y < y1 for x, y in seen)
    assert contains_all or is_largest
    assert holds(box, points, frame_size) == contains_all


def test_no_smaller_box_would_do() -> None:
    # 102 rows and a pixel of room on either side need 18 units of 6.
    assert covering_box(np.array([[100.0, 50.0], [200.0, 151.0]]), (1920, 1080)) == (78, 48, 222, 156)


def test_body_points_leave_a_margin_in_metres_and_skip_joints_without_a_place() -> None:
    joints_m = np.zeros((25, 3), np.float32)
    joints_m[:, 0], joints_m[:, 1], joints_m[:, 2] = np.linspace(-0.5, 0.5, 25), np.linspace(-0.9, 0.9, 25), 2
    color_xy = np.stack([960 + 500 * joints_m[:, 0], 540 - 500 * joints_m[:, 1]], axis=1)  # 500 px a metre
    color_xy[3] = np.nan
    zeros = np.zeros((25, 4), np.float32)
    body = Body("1", joints_m, color_xy / 3, color_xy.astype(np.float32), zeros, np.full(25, 2))
    points = body_points((body,))
    assert np.allclose(points, [[610, -10], [1310, 1090]], atol=1)
    unseen = Body("1", joints_m, color_xy, np.full((25, 2), np.nan, np.float32), zeros, np.full(25, 2))
    assert body_points((unseen,)).shape == body_points(()).shape == (0, 2)
    assert not leaves((body, unseen), (1400, 1000)) and leaves((body,), (1200, 1000))


def test_joints_that_are_not_tracked_blow_up_no_box() -> None:
    joints_m = np.tile(np.float32([0, 0, 2]), (20, 1))
    joints_m[:, 1] = np.linspace(-0.9, 0.9, 20)
    color_xy = np.stack([960 + 500 * joints_m[:, 0], 540 - 500 * joints_m[:, 1]], axis=1)
    zeros, states = np.zeros((20, 4), np.float32), np.full(20, 2)
    whole = Body("1", joints_m, color_xy / 3, color_xy, zeros, states, KINECT_V1)
    for lost in (0, np.nan):
        spoilt_m, spoilt_xy = joints_m.copy(), color_xy.copy()
        spoilt_m[5:8] = lost
        spoilt_xy[5:8] = -3000
        body = Body("1", spoilt_m, spoilt_xy / 3, spoilt_xy, zeros, states, KINECT_V1)
        np.testing.assert_allclose(body_points((body,)), body_points((whole,)), atol=15)
        assert not leaves((body,), (1920, 1080))


def test_mask_points_go_through_the_registration() -> None:
    mask = np.zeros((424, 512), bool)
    mask[100:200, 150:190] = True
    points = mask_points(mask, NTU_LIKE)
    assert np.allclose(points.min(axis=0), NTU_LIKE.to_color(np.array([[145, 95]])), atol=1e-6)
    assert np.allclose(points.max(axis=0), NTU_LIKE.to_color(np.array([[194, 204]])), atol=1e-6)
    assert mask_points(np.zeros((4, 4), bool), NTU_LIKE).shape == (0, 2)


@given(
    SIZES,
    st.lists(
        st.lists(st.tuples(st.floats(-500, 2500), st.floats(-500, 1500)), max_size=5), min_size=1, max_size=40
    ).filter(any),
)
def test_tracked_boxes_are_of_one_size_inside_the_frame_and_hold_every_frames_points(
    frame_size: tuple[int, int], joints: list[list[tuple[float, float]]]
) -> None:
    points = [np.array(frame).reshape(-1, 2) for frame in joints]
    boxes = tracked_boxes(points, frame_size)
    assert len(boxes) == len(points)
    assert len({(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes}) == 1
    for (x0, y0, x1, y1), frame_points in zip(boxes, points, strict=True):
        assert 0 <= x0 < x1 <= frame_size[0] and 0 <= y0 < y1 <= frame_size[1]
        assert (x1 - x0) * 3 == (y1 - y0) * 4
        is_largest = x1 - x0 == 8 * min(frame_size[0] // 8, frame_size[1] // 6)
        assert is_largest or holds((x0, y0, x1, y1), frame_points, frame_size)


def test_tracked_boxes_follow_a_walk_without_jitter_and_are_smaller_than_the_clips_box() -> None:
    rng = np.random.default_rng(0)
    centres = np.column_stack([np.linspace(300, 1600, 90), np.full(90, 540)]) + rng.normal(0, 8, (90, 2))
    points = [centre + np.array([[-100, -200], [100, 200]]) for centre in centres]
    points[40:45] = [np.empty((0, 2))] * 5  # nobody is seen for some frames
    boxes = np.array(tracked_boxes(points, (1920, 1080)))
    steps = np.diff(boxes[10:-10, 0])
    assert steps.min() >= 0 and steps.max() <= 24  # the walk moves 14.6 px a frame, the jitter 11 either way
    x0, _, x1, _ = covering_box(np.concatenate(points), (1920, 1080))
    assert boxes[0, 2] - boxes[0, 0] < 0.6 * (x1 - x0)


def test_depth_box_of_the_whole_stretched_frame_is_the_whole_depth_frame() -> None:
    registration = stretch((512, 424), (1920, 1080))
    assert depth_box((0, 0, 1920, 1080), registration) == (0, 0, 512, 424)


def test_legacy_boxes_are_the_published_ones() -> None:
    expected = json.loads(GOLDEN.read_text())["boxes_xyxy"]
    boxes = [legacy_box(seeded_depth(index) > 0, (1920, 1080)) for index in range(0, 61, 10)]
    assert [list(box or ()) for box in boxes] == expected


def test_legacy_box_without_a_body_is_none_and_at_the_border_is_clipped() -> None:
    depth = np.zeros((424, 512), np.uint16)
    assert legacy_box(depth > 0, (1920, 1080)) is None
    depth[10:110, 0:60] = 2000
    box = legacy_box(depth > 0, (1920, 1080))
    assert box is not None and box[:2] == (0, 0) and box[2] < 960 and box[3] < 540
