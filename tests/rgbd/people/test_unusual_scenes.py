"""Without a skeleton: children, people who sit or lie, cameras that look down, and one hand close before the lens."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.support.depth_list import DepthList
from benchmarks.support.scenes import Seen, render_people, rendering_camera
from preprocess.synthetic.body import LEGS, Arm, Pose, joints_in_room
from preprocess.synthetic.cameras import Floats, Mount
from preprocess.synthetic.performers import PERFORMERS
from preprocess.synthetic.scene import SETUPS, Setup, Slab
from rgbd.camera.intrinsics import DepthCamera
from rgbd.camera.sensors import find_sensor
from rgbd.people.masked_depth import mask_depth
from rgbd.people.masks import find_masks
from rgbd.types import Size

HALF: Size = (256, 212)
KINECT = find_sensor("kinect_v2").camera(HALF)
HANGING = Arm((5, -72), (10, -75))
ROOM = SETUPS[0]  # its furniture keeps clear of the middle


def standing(height_m: float, time: float, place: tuple[float, float] = (0.0, 2.8)) -> Floats:
    """Return somebody who raises an arm, and stirs a little."""
    raised = HANGING.towards(Arm((20, 30), (20, 50)), math.sin(math.pi * time) ** 2)
    x = place[0] + 0.01 * math.sin(2 * math.pi * time)
    return joints_in_room(Pose((x, place[1]), 5, (HANGING, raised)), height_m)


def seated(height_m: float, time: float) -> Floats:
    """Return somebody who raises an arm and sits, on a chair at 0.45 m."""
    joints = standing(height_m, time)
    joints[:, 1] -= joints[0, 1] - 0.55
    for leg, sign in zip(LEGS, (1, -1), strict=True):
        hip = joints[leg[0]]
        knee = hip + np.array((0.06 * sign, -0.02, -0.42), np.float32)
        ankle = np.array((knee[0], 0.08, knee[2] + 0.02), np.float32)
        joints[list(leg[1:])] = knee, ankle, ankle + np.array((0, -0.04, -0.14), np.float32)
    return joints


def lying(height_m: float, time: float, waves: bool = True) -> Floats:
    """Return somebody who lies on the floor, across the line of sight, and moves an arm."""
    joints = standing(height_m, time if waves else 0.0, (0.0, 0.0))
    along, ahead, across = joints[:, 1] - height_m / 2, -joints[:, 2], joints[:, 0]
    return np.stack([along, 0.16 + ahead, 2.7 + across], axis=1).astype(np.float32)


def fall(height_m: float, time: float) -> Floats:
    """Return somebody who stands, falls, and lies still for the second half."""
    share = min(1.0, max(0.0, (time - 0.25) / 0.25))
    upright, down = standing(height_m, 0.0), lying(height_m, 0.0, waves=False)
    return np.asarray((1 - share) * upright + share * down, np.float32)


def found(frames: Sequence[Seen], camera: DepthCamera) -> list[float]:
    """Return the intersection over union of each frame's mask with the truth."""
    masks = [mask for _, mask in find_masks(DepthList([f.depth_mm for f in frames]), "body", [], camera).pairs]
    pairs = zip(masks, frames, strict=True)
    return [float((mask & seen.mask).sum() / max(1, (mask | seen.mask).sum())) for mask, seen in pairs]


def render(setup: Setup, joints_at: Callable[[float], Sequence[Floats]], height_m: float = 1.75) -> list[Seen]:
    performer = replace(PERFORMERS[0], height_m=height_m)
    return render_people(setup, rendering_camera(KINECT, HALF), joints_at, 16, (performer, PERFORMERS[2]))


@pytest.mark.parametrize("height_m", [0.85, 1.1])
def test_children_are_found(height_m: float) -> None:
    alone = render(ROOM, lambda time: [standing(height_m, time)], height_m)
    assert np.mean(found(alone, KINECT)) > 0.9
    beside = render(ROOM, lambda time: [standing(height_m, time), standing(1.8, 0.1 * time, (0.8, 3.0))], height_m)
    assert np.mean(found(beside, KINECT)) > 0.85


@pytest.mark.parametrize("moves", [True, False])
def test_people_are_found_by_a_camera_that_looks_down(moves: bool) -> None:
    setup = replace(ROOM, mount=Mount(2.5, 40))
    frames = render(setup, lambda time: [standing(1.75, time if moves else 0.0)])
    assert np.mean(found(frames, KINECT)) > 0.9


@pytest.mark.parametrize("height_m", [1.2, 1.75])
def test_people_who_sit_are_found(height_m: float) -> None:
    chair = (
        Slab((-0.22, 0.40, 2.6), (0.22, 0.45, 3.05), (90, 90, 90)),
        Slab((-0.22, 0.45, 3.0), (0.22, 0.9, 3.05), (90, 90, 90)),
    )
    setup = replace(ROOM, furniture=(*ROOM.furniture, *chair))
    frames = render(setup, lambda time: [seated(height_m, time)], height_m)
    assert np.mean(found(frames, KINECT)) > 0.8


def test_people_who_lie_and_move_an_arm_are_found() -> None:
    frames = render(ROOM, lambda time: [lying(1.75, time)])
    assert np.mean(found(frames, KINECT)) > 0.8


def test_somebody_who_falls_is_followed_while_lying_still() -> None:
    overlaps = found(render(ROOM, lambda time: [fall(1.75, time)]), KINECT)
    assert np.mean(overlaps[:4]) > 0.9 and np.mean(overlaps[8:]) > 0.85


@pytest.mark.parametrize("sensor", ["sr305", "d435", "azure_kinect"])
def test_one_hand_close_before_the_camera_is_found(sensor: str) -> None:
    width, height = find_sensor(sensor).modes[0].sizes[0]
    camera, shape = find_sensor(sensor).camera((width // 2, height // 2)), (height // 2, width // 2)
    frames = waving_hand(camera, shape, wall_m=1.6)
    assert np.mean(found(frames, camera)) > 0.85
    alone = DepthList([frame.depth_mm for frame in waving_hand(camera, shape, wall_m=0)])
    assert mask_depth(alone, [], "body", camera, is_official=False).source == "given"


def waving_hand(camera: DepthCamera, shape: tuple[int, int], wall_m: float) -> list[Seen]:
    """Return a hand with its wrist, 0.4 m away, before a wall, or before nothing that is measured at 0 m."""
    tangents, rng = camera.tangents(shape), np.random.default_rng(0)
    x, y = np.broadcast_arrays(tangents.columns, tangents.rows)
    frames = []
    for time in np.linspace(0, 2 * math.pi, 16):
        z_m = 0.4 + 0.03 * math.cos(time)
        across, up = x * z_m - 0.06 * math.sin(time), y * z_m
        mask = (np.hypot(across, up) < 0.045) | ((abs(across) < 0.03) & (up < 0))
        for finger in range(-2, 3):
            mask |= (abs(across - 0.018 * finger) < 0.008) & (up > 0) & (up < 0.09 - 0.008 * abs(finger))
        depth = np.where(mask, z_m + 0.02 * up, wall_m)
        noisy = np.where(depth > 0, 1000 * depth + rng.normal(0, 1.5, shape) * depth**2, 0)
        frames.append(Seen(noisy.astype(np.uint16), mask))
    return frames
