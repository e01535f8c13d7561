"""Masks keep the bodies and drop wall, floor and specks, at any image size."""

import numpy as np
import pytest

from preprocess.mask import foreground_masks, skeleton_masks
from preprocess.skeleton import Body, Skeleton
from tests.preprocess.recordings import BODY_MM, DEPTH_SIZE, FOCAL_PX, WALL_MM, body_at, draw

FLOOR_M = -0.9  # just below the figure's feet


def scene(frame: tuple[Body, ...], zoom: int = 1, noise_mm: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    """Return uint16 depth [H, W] of figures between wall and floor, and the bool [H, W] of their pixels."""
    width, height = DEPTH_SIZE[0] * zoom, DEPTH_SIZE[1] * zoom
    down = (np.arange(height) - 53 * zoom) / (FOCAL_PX * zoom)
    with np.errstate(divide="ignore"):
        floor_mm = np.where(down > 0, 1000 * -FLOOR_M / down, np.inf)
    depth = np.minimum(WALL_MM, floor_mm)[:, None].repeat(width, axis=1)
    truth = np.zeros((height, width), np.uint8)
    for body in frame:
        draw(truth, body, body.depth_xy * zoom, 255, zoom)
    depth[truth > 0] = BODY_MM
    noise = np.random.default_rng(0).normal(0, noise_mm, depth.shape)
    return np.clip(depth + noise, 0, 65535).astype(np.uint16), truth > 0


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


@pytest.mark.parametrize("zoom", [1, 4])
def test_bodies_are_found_at_any_image_size(zoom: int) -> None:
    skeleton: Skeleton = [(body_at(-0.7), body_at(0.6 + 0.02 * index)) for index in range(4)]
    depth, truth = zip(*(scene(bodies, zoom) for bodies in skeleton), strict=True)
    masks = skeleton_masks(depth, zoomed(skeleton, zoom))
    assert masks is not None
    for mask, true in zip(masks, truth, strict=True):
        assert mask.dtype == np.bool_ and mask.shape == true.shape
        assert overlap(mask, true) > 0.95


def test_floor_around_the_feet_is_not_part_of_the_body() -> None:
    skeleton: Skeleton = [(body_at(0.0),)] * 3
    depth, truth = zip(*(scene(bodies, 4) for bodies in skeleton), strict=True)
    masks = skeleton_masks(depth, zoomed(skeleton, 4))
    assert masks is not None
    assert (masks[0] & ~truth[0]).sum() < 0.02 * truth[0].sum()


def test_frames_without_anybody_take_the_bodies_of_the_nearest_frame() -> None:
    bodies = (body_at(0.0),)
    depth, truth = zip(*(scene(bodies) for _ in range(3)), strict=True)
    masks = skeleton_masks(depth, [(), bodies, ()])
    assert masks is not None
    assert overlap(masks[0], truth[0]) > 0.95 and overlap(masks[2], truth[2]) > 0.95


def test_joints_that_were_lost_leave_the_rest_of_the_body() -> None:
    body = body_at(0.0)
    body.joints_m[7], body.depth_xy[7] = np.nan, np.nan  # a hand
    depth, truth = scene((body_at(0.0),))
    masks = skeleton_masks([depth], [(body,)])
    assert masks is not None and 0.8 < overlap(masks[0], truth) < 1


def test_skeleton_of_no_use_is_none() -> None:
    depth, _ = scene(())
    assert skeleton_masks([depth, depth], [(), ()]) is None
    lost = body_at(0.0)
    lost.joints_m[:] = np.nan
    assert skeleton_masks([depth], [(lost,)]) is None


def test_without_a_skeleton_what_moves_is_found_and_noise_is_not() -> None:
    skeleton: Skeleton = [(body_at(-1.2 + 0.12 * index),) for index in range(20)]
    depth, truth = zip(*(scene(bodies) for bodies in skeleton), strict=True)
    depth[5][20:22, 100:102] = 1000  # a speck
    overlaps = [overlap(mask, true) for mask, true in zip(foreground_masks(depth), truth, strict=True)]
    assert min(overlaps) > 0.9


def test_empty_depth_gives_empty_masks() -> None:
    nothing = np.zeros(DEPTH_SIZE[::-1], np.uint16)
    masks = skeleton_masks([nothing], [(body_at(0.0),)])
    assert masks is not None and not masks[0].any()
    assert not foreground_masks([nothing, nothing])[0].any()
