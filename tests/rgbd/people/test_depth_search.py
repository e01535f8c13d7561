"""Without a skeleton: people who walk, wave or stand still are found, rooms and furniture are not."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import pytest

from benchmarks.support.depth_list import DepthList
from preprocess.synthetic.recording import Recording, RenderedFrame
from preprocess.synthetic.scene import SETUPS, render_background
from rgbd.camera.intrinsics import fit_camera
from rgbd.camera.sensors import nominal_camera
from rgbd.people.depth_search import search_bodies
from rgbd.people.masks import find_masks
from rgbd.people.room import fit_floor
from rgbd.recording.depth import MeasuredDepth
from rgbd.recording.formats import open_streams
from rgbd.recording.skeletons.skeleton import joints_of
from tests.support.real import real_recordings

SCALE = 0.5


@cache
def render(index: int) -> tuple[RenderedFrame, ...]:
    """Return a recording's frames, rendered once for all tests, and without colour, which would stay in memory."""
    return tuple(replace(frame, color=frame.color[:0]) for frame in Recording(index, 0, SCALE).frames())


def search(depth: Sequence[np.ndarray]) -> list[np.ndarray]:
    height, width = depth[0].shape
    mask_of = search_bodies(DepthList(depth), nominal_camera((width, height)))
    return [mask_of(index, frame) for index, frame in enumerate(depth)]


def overlaps(masks: Sequence[np.ndarray], frames: Sequence[RenderedFrame]) -> tuple[float, float]:
    """Return the mean intersection over union, and the mean recall."""
    pairs = [(mask, frame.mask) for mask, frame in zip(masks, frames, strict=True)]
    union = [float((mask & true).sum() / (mask | true).sum()) for mask, true in pairs]
    return float(np.mean(union)), float(np.mean([(mask & true).sum() / true.sum() for mask, true in pairs]))


# One of each set-up: both arms, one arm, a glove, a squat, two people shaking hands.
@pytest.mark.parametrize("index", [0, 113, 226, 338, 79])
def test_people_are_found_in_every_room(index: int) -> None:
    frames = render(index)
    intersection_over_union, recall = overlaps(search([frame.depth_mm for frame in frames]), frames)
    assert intersection_over_union > 0.9 and recall > 0.9


# A squat and two people shaking hands, whom a desk, or how the camera stands, hides from the hips or knees down.
@pytest.mark.parametrize("index", [0, 113, 226, 338, 79])
@pytest.mark.parametrize("share", [0.5, 0.65])
def test_people_are_found_where_no_floor_is_in_view(index: int, share: float) -> None:
    frames = render(index)
    top = round(share * frames[0].mask.shape[0])
    seen = [replace(f, depth_mm=upper(f.depth_mm, top), mask=upper(f.mask, top)) for f in frames]
    intersection_over_union, recall = overlaps(search([frame.depth_mm for frame in seen]), seen)
    assert intersection_over_union > 0.8 and recall > 0.85


def upper(values: np.ndarray, num_rows: int) -> np.ndarray:
    """Return values [H, W] with nothing in the rows below the first ones."""
    return np.where(np.arange(len(values))[:, None] < num_rows, values, 0).astype(values.dtype)


@pytest.mark.parametrize("index", [0, 79])
@pytest.mark.parametrize("has_floor", [True, False])
def test_furniture_as_large_as_people_is_none_of_them(index: int, has_floor: bool) -> None:
    frames = render(index)
    cupboard = cupboard_mm(frames)
    rng = np.random.default_rng(0)
    seen = []
    for frame in frames:
        noisy = cupboard + rng.normal(0, 5, cupboard.shape)
        depth_mm = np.minimum(frame.depth_mm, noisy).astype(np.uint16)
        mask = frame.mask & (frame.depth_mm <= noisy)
        rows = len(mask) if has_floor else round(0.6 * len(mask))
        seen.append(replace(frame, depth_mm=upper(depth_mm, rows), mask=upper(mask, rows)))
    masks = search([frame.depth_mm for frame in seen])
    intersection_over_union, recall = overlaps(masks, seen)
    assert intersection_over_union > 0.8 and recall > 0.85
    assert np.mean([mask[np.isfinite(cupboard)].mean() for mask in masks]) < 0.1


def cupboard_mm(frames: Sequence[RenderedFrame]) -> np.ndarray:
    """Return the depth of a cupboard 1.7 m high and 0.7 m wide, beside everybody, and infinity around it."""
    camera, shape = nominal_camera(frames[0].mask.shape[::-1]), frames[0].mask.shape
    tangents = camera.tangents(shape)
    room = np.median([frame.depth_mm for frame in frames], axis=0).astype(np.float32) / 1000
    floor = fit_floor(tangents.points(room)[room > 0])
    assert floor is not None
    z = np.float32(np.median(np.concatenate([frame.depth_mm[frame.mask] for frame in frames])) / 1000)
    heights = floor.heights(tangents, np.full(shape, z, np.float32))
    columns = np.flatnonzero(np.any([frame.mask for frame in frames], axis=(0, 1)))
    width = round(0.7 * float(camera.slope[0] / z))
    is_left = columns[0] > shape[1] - columns[-1]
    start = columns[0] - width - 8 if is_left else columns[-1] + 8
    is_cupboard = (heights > 0) & (heights < 1.7)
    is_cupboard[:, : max(0, start)] = is_cupboard[:, start + width :] = False
    return np.where(is_cupboard, 1000 * z, np.inf)


def test_somebody_who_never_moves_is_found() -> None:
    frames = render(0)[:1]
    noise = np.random.default_rng(0)
    still = [
        np.where(frames[0].depth_mm > 0, frames[0].depth_mm + noise.normal(0, 7, frames[0].mask.shape), 0).astype(
            np.uint16
        )
        for _ in range(20)
    ]
    intersection_over_union, recall = overlaps(search(still), frames * 20)
    assert intersection_over_union > 0.9 and recall > 0.95


def test_two_people_are_two_regions_until_their_hands_meet() -> None:
    frames = render(79)
    masks = search([frame.depth_mm for frame in frames])
    columns = np.flatnonzero(frames[0].mask.any(axis=0))
    gap = np.flatnonzero(np.diff(columns) > 1)
    assert len(gap) >= 1
    middle = columns[gap[0]] + 1
    assert masks[0][:, :middle].sum() > 500 and masks[0][:, middle:].sum() > 500


@pytest.mark.parametrize("setup", SETUPS)
def test_an_empty_room_is_empty(setup: object) -> None:
    recording = Recording(0, 0, SCALE)
    room = render_background(setup, recording.color_camera, recording.depth_camera)  # type: ignore[arg-type]
    noise = np.random.default_rng(0)
    frames = [(room.depth_m * 1000 + noise.normal(0, 7, room.depth_m.shape)).astype(np.uint16) for _ in range(12)]
    assert not any(mask.any() for mask in search(frames))


def test_masks_hardly_flicker() -> None:
    frames = render(86)  # a squat: everything but the feet moves
    masks = search([frame.depth_mm for frame in frames])
    flicker = [
        ((now ^ before) & ~(frame.mask ^ last.mask)).sum() / frame.mask.sum()
        for now, before, frame, last in zip(masks[1:], masks, frames[1:], frames, strict=False)
    ]
    assert np.mean(flicker) < 0.01


def test_the_nominal_camera_is_near_the_fitted_one() -> None:
    frames = render(0)
    fitted = fit_camera(*joints_of([frame.bodies for frame in frames]))
    height, width = frames[0].depth_mm.shape
    nominal = nominal_camera((width, height))
    assert fitted is not None
    np.testing.assert_allclose(nominal.slope, fitted.slope, rtol=0.02)
    np.testing.assert_allclose(nominal.centre, fitted.centre, atol=1)


def test_a_real_fall_is_followed_to_the_end() -> None:
    folder = real_recordings("ur_fall") / "depth"
    frames = MeasuredDepth(open_streams(folder)[0], 6000 / 65535)
    found = find_masks(frames, "body", [], nominal_camera((640, 480)))
    assert found.source == "depth"
    masks = [mask for _, mask in found.pairs]
    assert len(masks) == 40
    shares = [mask.mean() for mask in masks]
    assert min(shares) > 0.04 and max(shares) < 0.08  # one person, walking towards the camera
    centres = [np.argwhere(mask).mean(axis=0) for mask in masks]
    tops = [np.flatnonzero(mask.any(axis=1))[0] for mask in masks]
    assert tops[-1] > tops[20] + 40 and centres[-1][0] > centres[20][0]  # down
    for mask, frame in islice(zip(masks, frames, strict=True), 0, None, 8):
        distances = frame[mask] / 1000
        assert np.percentile(distances, 95) - np.percentile(distances, 5) < 0.9  # of one body, not of room and floor


def test_who_fell_in_a_real_room_is_followed_while_they_stay_down() -> None:
    stream = open_streams(real_recordings("ur_fall") / "depth")[0]
    fall = list(MeasuredDepth(stream, 6000 / 65535))
    noise = np.random.default_rng(0)
    z2 = (fall[-1] / 1000) ** 2  # the last frame again and again, with a Kinect v1's noise
    still = [(fall[-1] + noise.normal(0, 3, z2.shape) * z2).astype(np.uint16) for _ in range(60)]
    depth = [*fall, *still]
    masks = [mask for _, mask in find_masks(DepthList(depth), "body", [], nominal_camera(stream.size)).pairs]
    falling, down = masks[38], masks[len(fall) :]
    assert min(mask.mean() for mask in down) > 0.8 * falling.mean()
    assert min((mask & falling).sum() / falling.sum() for mask in down) > 0.8
