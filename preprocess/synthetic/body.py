"""A pose -> where the 25 Kinect joints of a person are."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.cameras import BASELINE_M, Floats

# Kinect v2's joints: what the .skeleton file calls joint 0, 1, ... For sides: left, right.
SPINE_BASE, SPINE_MID, NECK, HEAD, SPINE_SHOULDER = 0, 1, 2, 3, 20
ARMS = ((4, 5, 6, 7, 21, 22), (8, 9, 10, 11, 23, 24))  # shoulder, elbow, wrist, hand, tip, thumb
LEGS = ((12, 13, 14, 15), (16, 17, 18, 19))  # hip, knee, ankle, foot
LEFT, RIGHT = 0, 1

# Lengths as shares of the height, after usual anthropometric tables.
_HIP, _ANKLE, _THIGH, _SHIN = 0.505, 0.045, 0.237, 0.232
_UPPER_ARM, _FOREARM, _HAND, _FINGERS = 0.165, 0.148, 0.045, 0.045


@dataclass(frozen=True)
class Arm:
    """Directions of the upper and the lower arm, in degrees.

    Azimuth 0 is sideways, 90 forwards; elevation -90 is down, 90 up, beyond 90 back over the other side.
    """

    upper: tuple[float, float]
    lower: tuple[float, float]

    def towards(self, other: "Arm", share: float) -> "Arm":
        """Return the arm `share` (0 to 1) of the way to `other`."""
        return Arm(_between(self.upper, other.upper, share), _between(self.lower, other.lower, share))


def _between(first: tuple[float, float], second: tuple[float, float], share: float) -> tuple[float, float]:
    return first[0] + share * (second[0] - first[0]), first[1] + share * (second[1] - first[1])


@dataclass(frozen=True)
class Pose:
    """How somebody stands: where (room x and z), turned by `yaw_deg` (0 faces the cameras), leaning forwards.

    `drop_m` is how far the hips are lowered. `arms` are left, right. `right_hand` is where the right hand is put in the
    room, whatever `arms` says.
    """

    place: tuple[float, float]
    yaw_deg: float
    arms: tuple[Arm, Arm]
    lean_deg: float = 0.0
    drop_m: float = 0.0
    right_hand: tuple[float, float, float] | None = None

    def with_arm(self, side: int, arm: Arm) -> "Pose":
        """Return the pose with one arm replaced."""
        return replace(self, arms=(arm, self.arms[RIGHT]) if side == LEFT else (self.arms[LEFT], arm))


def joints_in_room(pose: Pose, height_m: float) -> Floats:
    """Return the 25 joints in the room, float32 [25, 3], of somebody `height_m` tall."""
    joints = np.zeros((25, 3))
    lean = math.radians(pose.lean_deg)
    spine = np.array((0, math.cos(lean), -math.sin(lean)))
    base = np.array((0, (_HIP + 0.02) * height_m - pose.drop_m, 0.35 * height_m * math.sin(lean)))
    shares = {SPINE_BASE: 0.0, SPINE_MID: 0.14, SPINE_SHOULDER: 0.285, NECK: 0.32, HEAD: 0.405}
    for joint, share in shares.items():
        joints[joint] = base + share * height_m * spine
    for side, sign in ((LEFT, 1), (RIGHT, -1)):
        joints[list(LEGS[side])] = _leg(base, sign, height_m)
        shoulder = joints[SPINE_SHOULDER] + height_m * (np.array((sign * 0.108, 0, 0)) - 0.018 * spine)
        joints[list(ARMS[side])] = _arm(shoulder, pose.arms[side], sign, height_m)
    yaw = math.radians(pose.yaw_deg)
    turn = np.array([(math.cos(yaw), 0, -math.sin(yaw)), (0, 1, 0), (math.sin(yaw), 0, math.cos(yaw))])
    origin = np.array((pose.place[0], 0, pose.place[1]))
    joints = joints @ turn.T + origin
    if pose.right_hand is not None:
        _reach(joints, np.array(pose.right_hand), height_m)
    return np.asarray(joints, np.float32)


def _leg(base: NDArray[np.float64], sign: int, height_m: float) -> NDArray[np.float64]:
    hip = base + height_m * np.array((sign * 0.052, -0.02, 0))
    ankle = np.array((sign * 0.07 * height_m, _ANKLE * height_m, 0))
    knee = _bend(hip, ankle, _THIGH * height_m, _SHIN * height_m, np.array((0.25 * sign, 0, -1.0)))
    foot = ankle + height_m * np.array((sign * 0.02, -0.022, -0.085))
    return np.stack([hip, knee, ankle, foot])


def _arm(shoulder: NDArray[np.float64], arm: Arm, sign: int, height_m: float) -> NDArray[np.float64]:
    elbow = shoulder + _UPPER_ARM * height_m * _direction(arm.upper, sign)
    return np.vstack([shoulder, elbow, _hand(elbow, _direction(arm.lower, sign), height_m)])


def _hand(elbow: NDArray[np.float64], along: NDArray[np.float64], height_m: float) -> NDArray[np.float64]:
    """Return wrist, hand, tip and thumb on the line of the lower arm."""
    lengths = np.cumsum((_FOREARM, _HAND, _FINGERS)) * height_m
    wrist, hand, tip = (elbow + length * along for length in lengths)
    across = np.cross(along, (0.3, 0.5, 0.8))
    thumb = hand + height_m * (0.012 * along + 0.024 * across / np.linalg.norm(across))
    return np.stack([wrist, hand, tip, thumb])


def _direction(angles: tuple[float, float], sign: int) -> NDArray[np.float64]:
    azimuth, elevation = (math.radians(angle) for angle in angles)
    flat = math.cos(elevation)
    return np.array((sign * flat * math.cos(azimuth), math.sin(elevation), -flat * math.sin(azimuth)))


def _reach(joints: NDArray[np.float64], target: NDArray[np.float64], height_m: float) -> None:
    """Put the right hand on `target`, as far as the arm is long, in place."""
    shoulder = joints[ARMS[RIGHT][0]]
    lower = (_FOREARM + _HAND) * height_m
    elbow = _bend(shoulder, target, _UPPER_ARM * height_m, lower, np.array((0, -1.0, 0.2)))
    along = (target - elbow) / np.linalg.norm(target - elbow)
    joints[list(ARMS[RIGHT])] = np.vstack([shoulder, elbow, _hand(elbow, along, height_m)])


def _bend(
    start: NDArray[np.float64], end: NDArray[np.float64], first_m: float, second_m: float, outwards: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the joint between two bones that reach from `start` to `end`, bent `outwards`."""
    line = end - start
    distance = float(np.linalg.norm(line))
    line = line / distance
    distance = min(distance, 0.999 * (first_m + second_m))
    along = (first_m**2 - second_m**2 + distance**2) / (2 * distance)
    sideways = outwards - (outwards @ line) * line
    height = math.sqrt(max(first_m**2 - along**2, 0.0))
    return np.asarray(start + along * line + height * sideways / np.linalg.norm(sideways), np.float64)


def mirror_arm(joints: Floats, side: int) -> Floats:
    """Return camera-frame joints [25, 3] with one arm's depths mirrored at its shoulder, along the lines of sight.

    Each joint stays on its pixel of the colour camera: a picture shows no difference, only depth does.
    """
    lens = np.array((BASELINE_M, 0, 0), np.float32)
    arm = joints[list(ARMS[side])] - lens
    factors = (2 * arm[0, 2] - arm[:, 2]) / arm[:, 2]
    mirrored = joints.copy()
    mirrored[list(ARMS[side])] = arm * factors[:, None] + lens
    return mirrored
