"""Real people, recorded without a background, composited into a room with furniture: their outlines are the truth."""

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.support.depth_list import DepthList
from benchmarks.support.scenes import composite
from preprocess.utd_mhad import read_skeleton
from rgbd.camera.sensors import find_sensor
from rgbd.people.masks import find_masks
from rgbd.recording.formats import open_streams
from rgbd.recording.skeletons.skeleton import Skeleton
from tests.support.real import real_recordings

SIZE = (320, 240)
CAMERA = find_sensor("kinect_v1").camera(SIZE)


def real_clip(clip: str) -> tuple[np.ndarray, Skeleton]:
    """Return metres [T, H, W], 0 around the person, and the skeleton."""
    raw = real_recordings("utd_mhad")
    depth_mm = np.stack(list(open_streams(raw / "Depth" / f"{clip}_depth.mat")[0].read()))  # type: ignore[arg-type]
    return depth_mm / 1000, read_skeleton(raw / "Skeleton" / f"{clip}_skeleton.mat", SIZE, None)


def room_around(person_m: np.ndarray) -> np.ndarray:
    """Return the distances, [H, W], of a floor below the feet, two walls, and a cupboard of 1.1 m."""
    tangents = CAMERA.tangents(SIZE[::-1])
    across, up = tangents.columns * np.ones_like(tangents.rows), tangents.rows * np.ones_like(tangents.columns)
    floor_m = np.percentile(np.where(person_m > 0, up * person_m, 9).min(axis=(1, 2)), 20)
    floor = np.where(up < 0, floor_m / np.minimum(up, -1e-6), 99)
    side = np.where(across > 0.05, 1.7 / np.maximum(across, 1e-6), 99)
    room = np.minimum(np.minimum(floor, side), 4 / (1 + 0.15 * across))
    x, height = 2.9 * across, 2.9 * up - floor_m
    is_cupboard = (x > -1.3) & (x < -0.75) & (height > 0) & (height < 1.1)
    return np.where(is_cupboard, np.minimum(room, 2.9), room)


def overlap(masks: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> float:
    pairs = zip(masks, truth, strict=True)
    return float(np.mean([(mask & true).sum() / max(1, (mask | true).sum()) for mask, true in pairs]))


@pytest.mark.parametrize("num_rows", [240, 150])  # with a floor; and with nobody's legs
@pytest.mark.parametrize("clip", ["a8_s5_t3", "a12_s8_t4", "a26_s1_t3"])  # an arm, a bowler, a lunge
def test_real_people_are_found_in_a_room(clip: str, num_rows: int) -> None:
    person_m, skeleton = real_clip(clip)
    seen = composite(np.rint(1000 * person_m).astype(np.uint16), room_around(person_m), num_rows)
    depth, truth = [frame.depth_mm for frame in seen], [frame.mask for frame in seen]
    for known, least in ((skeleton, 0.93), ([], 0.95)):
        found = find_masks(DepthList(depth), "body", known, CAMERA)
        assert found.source == ("skeleton" if known else "depth")
        assert overlap([mask for _, mask in found.pairs], truth) > least
