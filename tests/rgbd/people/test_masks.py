"""Masks by a skeleton keep the bodies and drop wall, floor and specks, at any image size; and the official kind."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest

from benchmarks.support.depth_list import DepthList
from rgbd.camera.sensors import nominal_camera
from rgbd.people.masks import find_masks
from rgbd.recording.skeletons.joint_layout import KINECT_V1
from rgbd.recording.skeletons.skeleton import Body, Skeleton
from tests.support.ntu_recordings import BODY_MM, DEPTH_SIZE, body_at, scene


def zoomed(frames: Skeleton, zoom: int) -> Skeleton:
    return [
        tuple(
            Body(b.body_id, b.joints_m, b.depth_xy * np.float32(zoom), b.color_xy, b.orientations, b.tracking_states)
            for b in bodies
        )
        for bodies in frames
    ]


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    return float((mask & truth).sum() / (mask | truth).sum())


def masks_of(
    frames: Sequence[np.ndarray], skeleton: Skeleton, mode: Literal["body", "official"] = "body"
) -> list[np.ndarray]:
    found = find_masks(DepthList(frames), mode, skeleton, nominal_camera(frames[0].shape[::-1]))
    assert found.source == ("skeleton" if any(skeleton) else "depth")
    return [mask for _, mask in found.pairs]


@pytest.mark.parametrize("zoom", [1, 4])
def test_bodies_are_found_at_any_image_size(zoom: int) -> None:
    skeleton: Skeleton = [(body_at(-0.7), body_at(0.6 + 0.02 * index)) for index in range(4)]
    depth, truth = zip(*(scene(bodies, zoom) for bodies in skeleton), strict=True)
    for mask, true in zip(masks_of(depth, zoomed(skeleton, zoom)), truth, strict=True):
        assert mask.dtype == np.bool_ and mask.shape == true.shape
        assert overlap(mask, true) > 0.95


def test_floor_around_the_feet_is_not_part_of_the_body() -> None:
    skeleton: Skeleton = [(body_at(0.0),)] * 3
    depth, truth = zip(*(scene(bodies, 4) for bodies in skeleton), strict=True)
    masks = masks_of(depth, zoomed(skeleton, 4))
    assert (masks[0] & ~truth[0]).sum() < 0.02 * truth[0].sum()


def test_frames_without_anybody_take_the_bodies_of_the_nearest_frame_also_past_the_skeletons_end() -> None:
    bodies = (body_at(0.0),)
    depth, truth = zip(*(scene(bodies) for _ in range(5)), strict=True)
    masks = masks_of(depth, [(), bodies, ()])
    assert len(masks) == 5
    assert min(overlap(mask, true) for mask, true in zip(masks, truth, strict=True)) > 0.95


def test_joints_that_were_lost_leave_the_rest_of_the_body() -> None:
    body = body_at(0.0)
    body.joints_m[7], body.depth_xy[7] = np.nan, np.nan  # a hand
    depth, truth = scene((body_at(0.0),))
    (mask,) = masks_of([depth], [(body,)])
    assert 0.8 < overlap(mask, truth) < 1


def of_kinect_v1(body: Body) -> Body:
    """Return what a Kinect v1 sees of the figure: hands without fingers, and no neck."""
    joints_m = body.joints_m[:20].copy()
    joints_m[2] = body.joints_m[20]
    arrays = (body.depth_xy[:20].copy(), body.color_xy[:20], body.orientations[:20], body.tracking_states[:20])
    return Body(body.body_id, joints_m, *arrays, KINECT_V1)


def test_the_twenty_joints_of_a_kinect_v1_will_do() -> None:
    bodies: Skeleton = [(body_at(-0.7), body_at(0.6 + 0.02 * index)) for index in range(4)]
    skeleton: Skeleton = [tuple(map(of_kinect_v1, frame)) for frame in bodies]
    skeleton[2][0].joints_m[7] = skeleton[2][0].depth_xy[7] = 0  # a hand that is not tracked
    depth, truth = zip(*(scene(frame) for frame in bodies), strict=True)
    for mask, true in zip(masks_of(depth, skeleton), truth, strict=True):
        assert overlap(mask, true) > 0.93


def test_somebody_who_stands_narrowly_is_found_by_their_skeleton() -> None:
    body = body_at(0.0)
    body.joints_m[:, 0] *= 0.15
    body.depth_xy[:, 0] = body.joints_m[:, 0] / body.joints_m[:, 2] * 91 + 64
    depth, truth = scene((body,))
    (mask,) = masks_of([depth], [(body,)])
    assert overlap(mask, truth) > 0.8


def test_a_skeleton_of_no_use_is_done_without() -> None:
    lost = body_at(0.0)
    lost.joints_m[:] = np.nan
    depth, truth = zip(*(scene((body_at(-1 + 0.1 * index),), 2) for index in range(20)), strict=True)
    found = find_masks(DepthList(depth), "body", [(lost,)], nominal_camera(depth[0].shape[::-1]))
    assert found.source == "depth"
    assert np.mean([overlap(mask, true) for (_, mask), true in zip(found.pairs, truth, strict=True)]) > 0.9


def test_empty_depth_gives_empty_masks() -> None:
    nothing = np.zeros(DEPTH_SIZE[::-1], np.uint16)
    assert not masks_of([nothing], [(body_at(0.0),)])[0].any()
    for mode in ("body", "official"):
        assert not any(mask.any() for mask in masks_of([nothing] * 2, [], mode))


@pytest.mark.parametrize("has_skeleton", [True, False])
def test_official_masks_keep_one_region_and_its_floor_and_nothing_behind(has_skeleton: bool) -> None:
    skeleton: Skeleton = [(body_at(-0.5 + 0.1 * index),) for index in range(8)]
    depth, truth = zip(*(scene(bodies, 2, 3.0) for bodies in skeleton), strict=True)
    masks = masks_of(depth, zoomed(skeleton, 2) if has_skeleton else [], "official")
    everybody = np.logical_or.reduce(truth)
    rows, columns = (np.flatnonzero(everybody.any(axis=axis)) for axis in (1, 0))
    for frame, mask, true in zip(depth, masks, truth, strict=True):
        assert (mask & true).sum() > 0.98 * true.sum()
        kept_rows, kept_columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        assert kept_rows[0] > rows[0] - 12 and kept_rows[-1] < rows[-1] + 12
        assert kept_columns[0] > columns[0] - 12 and kept_columns[-1] < columns[-1] + 12
        assert not (mask & (frame > BODY_MM + 500)).any()  # the wall
        assert (mask & ~true).sum() > 50  # the floor beside the feet
