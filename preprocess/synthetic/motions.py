"""What is performed: ten motions, of which two pairs differ in depth only and two in colour only."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from preprocess.synthetic.body import LEFT, RIGHT, Arm, Pose
from preprocess.synthetic.ceilings import Traits
from preprocess.synthetic.performers import Color

TRAITS: Mapping[str, Traits] = {
    "swing both arms towards the camera": Traits("swing", depth="towards"),
    "swing both arms away from the camera": Traits("swing", depth="away"),
    "sweep one arm towards the camera": Traits("sweep", depth="towards"),
    "sweep one arm away from the camera": Traits("sweep", depth="away"),
    "raise a red flag": Traits("flag", color="red"),
    "raise a green flag": Traits("flag", color="green"),
    "wave with an orange glove": Traits("glove", color="orange"),
    "wave with a blue glove": Traits("glove", color="blue"),
    "squat": Traits("squat"),
    "shake hands": Traits("shake hands"),
}
CLASS_NAMES = tuple(TRAITS)
_AWAY_ACTIONS = (2, 4)
_PROP_COLORS: dict[int, Color] = {5: (205, 32, 36), 6: (34, 150, 62), 7: (242, 128, 24), 8: (36, 88, 214)}


@dataclass(frozen=True)
class Prop:
    """What the first person holds or wears on the hand of one side."""

    kind: Literal["flag", "glove", "ball"]
    side: int
    color: Color


@dataclass(frozen=True)
class Motion:
    """One performance. `poses_at` gives everybody's pose at a time from 0 to 1.

    `mirrored_arms` are the sides whose depth is mirrored: a motion towards the camera becomes one away from it.
    `arms_behind` are those that the depth camera alone sees so: colour shows them as they were, to the last bit.
    """

    poses_at: Callable[[float], tuple[Pose, ...]]
    mirrored_arms: tuple[int, ...] = ()
    arms_behind: tuple[int, ...] = ()
    props: tuple[Prop, ...] = ()


@dataclass(frozen=True)
class Take:
    """What a performance has to fit: the performer's tempo, their distance from the cameras, and the frames."""

    tempo: float
    distance_m: float
    num_frames: int


def draw_motion(action: int, take: Take, rng: np.random.Generator) -> Motion:
    """Return a performance of `action` (1 to 10), with amplitude, side, place and timing drawn from `rng`.

    The two motions of a pair draw the same numbers in the same order, so that nothing but the pair's one difference
    tells them apart.
    """
    rest = draw_rest(take.distance_m, rng)
    beats = max(1, round(take.tempo * rng.uniform(0.7, 1.7)))
    side = int(rng.integers(2))
    if action in (1, 2):
        sides = (LEFT, RIGHT)
        swing = partial(_move_arms, rest, sides, _draw_swing(rng), beats)
        return Motion(swing, sides if action in _AWAY_ACTIONS else ())
    if action in (3, 4):
        sweep = partial(_sweep, rest, side, _draw_sweep(rng), beats)
        return Motion(sweep, (side,) if action in _AWAY_ACTIONS else ())
    if action in (5, 6):
        raising = partial(_move_arms, rest, (side,), _draw_raised(rng), beats)
        return Motion(raising, props=(Prop("flag", side, _PROP_COLORS[action]),))
    if action in (7, 8):
        waving = partial(_wave, rest, side, float(rng.uniform(28, 42)), beats + 1)
        return Motion(waving, props=(Prop("glove", side, _PROP_COLORS[action]),))
    if action == 9:
        return Motion(partial(_squat, rest, float(rng.uniform(0.3, 0.42)), beats))
    return Motion(partial(_shake_hands, rest, float(rng.uniform(0.40, 0.46)), beats + 2))


def draw_rest(distance_m: float, rng: np.random.Generator) -> Pose:
    """Return somebody who stands, arms hanging."""
    place = (float(rng.uniform(-0.25, 0.25)), distance_m + float(rng.uniform(-0.2, 0.2)))
    arms = [_hanging(rng) for _ in (LEFT, RIGHT)]
    return Pose(place, float(rng.uniform(-12, 12)), (arms[LEFT], arms[RIGHT]), float(rng.uniform(0, 4)))


def _hanging(rng: np.random.Generator) -> Arm:
    down = -float(rng.uniform(68, 76))
    return Arm((float(rng.uniform(-5, 15)), down), (float(rng.uniform(0, 25)), down - 3))


def _draw_swing(rng: np.random.Generator) -> Arm:
    azimuth, elevation = float(rng.uniform(58, 70)), float(rng.uniform(-24, -4))
    return Arm((azimuth, elevation), (azimuth + float(rng.uniform(0, 6)), elevation + float(rng.uniform(0, 12))))


def _draw_sweep(rng: np.random.Generator) -> Arm:
    azimuth, elevation = float(rng.uniform(62, 72)), float(rng.uniform(-14, 6))
    return Arm((azimuth, elevation), (azimuth + float(rng.uniform(0, 6)), elevation + float(rng.uniform(0, 8))))


def _draw_raised(rng: np.random.Generator) -> Arm:
    azimuth, elevation = float(rng.uniform(5, 25)), float(rng.uniform(35, 60))
    return Arm((azimuth, elevation), (azimuth, elevation + float(rng.uniform(0, 20))))


def _swell(time: float, beats: int) -> float:
    """Rise from 0 to 1 and fall back, `beats` times, smoothly."""
    return math.sin(math.pi * beats * time) ** 2


def _sway(rest: Pose, time: float) -> Pose:
    """Nobody stands perfectly still."""
    x, z = rest.place
    shift = 0.012 * math.sin(2 * math.pi * time + 10 * x)
    return replace(rest, place=(x + shift, z), yaw_deg=rest.yaw_deg + 100 * shift)


def _move_arms(rest: Pose, sides: tuple[int, ...], goal: Arm, beats: int, time: float) -> tuple[Pose, ...]:
    pose = _sway(rest, time)
    for side in sides:
        pose = pose.with_arm(side, rest.arms[side].towards(goal, _swell(time, beats)))
    return (pose,)


def _sweep(rest: Pose, side: int, goal: Arm, beats: int, time: float) -> tuple[Pose, ...]:
    """Lift one arm sideways during the first quarter, then sweep it to the goal and back."""
    lifted = Arm((0, goal.upper[1]), (0, goal.lower[1]))
    if time < 0.25:
        arm = rest.arms[side].towards(lifted, math.sin(2 * math.pi * time))
    else:
        arm = lifted.towards(goal, _swell((time - 0.25) / 0.75, beats))
    return (_sway(rest, time).with_arm(side, arm),)


def _wave(rest: Pose, side: int, swing_deg: float, beats: int, time: float) -> tuple[Pose, ...]:
    """Lift a bent arm, then swing the lower arm from side to side."""
    angle = 80 + swing_deg * math.sin(2 * math.pi * beats * time)
    arm = rest.arms[side].towards(Arm((10, -8), (12, angle)), min(1.0, 5 * time, 5 * (1 - time)))
    return (_sway(rest, time).with_arm(side, arm),)


def _squat(rest: Pose, depth_m: float, beats: int, time: float) -> tuple[Pose, ...]:
    down = _swell(time, beats)
    return (replace(_sway(rest, time), drop_m=depth_m * down, lean_deg=rest.lean_deg + 28 * down),)


def _shake_hands(rest: Pose, apart_m: float, beats: int, time: float) -> tuple[Pose, ...]:
    """Two people face each other; their right hands meet half way between them."""
    x, z = rest.place
    meet = min(1.0, 4 * time, 4 * (1 - time))
    height = 0.75 + 0.25 * meet + 0.05 * meet * math.sin(2 * math.pi * beats * time)
    turn = 76 + 0.5 * rest.yaw_deg
    poses = []
    for sign in (-1, 1):
        # From hanging beside the own hip to the middle, where the two hands touch.
        hand = (x + sign * 0.03 + sign * (apart_m - 0.05) * (1 - meet), height, z + sign * 0.2 * (1 - meet))
        place = (x + sign * apart_m, z)
        poses.append(replace(rest, place=place, yaw_deg=-sign * turn, right_hand=hand))
    return tuple(poses)
