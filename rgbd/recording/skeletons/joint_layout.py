"""The joints that sensors give of a body: how many, in which order, and which of them are joined by bones."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Half thickness of the body around each bone, in metres, clothes included. Nothing of a body is thicker than the torso.
TORSO_RADIUS_M = 0.20
_HEAD_M, _THIGH_M, _LIMB_M, _HAND_M = 0.17, 0.15, 0.11, 0.13


class Bone(NamedTuple):
    """A bone from one joint to another, and the half thickness of the body around it, in metres."""

    start: int
    end: int
    radius_m: float


@dataclass(frozen=True)
class JointLayout:
    """The joints of one sensor's bodies; joints are numbers from 0, in the sensor's order.

    trunk: spine, head, hips: what even people who stand still keep moving a little. legs: knees, ankles, feet.
    """

    name: str
    num_joints: int
    bones: tuple[Bone, ...]
    trunk: tuple[int, ...]
    legs: tuple[int, ...]

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """The joint that each bone starts at, int64 [number of bones]."""
        return np.array([bone.start for bone in self.bones])

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """The joint that each bone ends at, int64 [number of bones]."""
        return np.array([bone.end for bone in self.bones])

    @cached_property
    def radii_m(self) -> NDArray[np.float32]:
        """The half thickness of the body around each bone, float32 [number of bones]."""
        return np.array([bone.radius_m for bone in self.bones], np.float32)


def _chain(*joints: int, radii_m: Iterable[float]) -> tuple[Bone, ...]:
    """Return the bones from each of these joints to the next."""
    return tuple(Bone(*bone) for bone in zip(joints, joints[1:], radii_m, strict=False))


_SPINE_M = (TORSO_RADIUS_M, TORSO_RADIUS_M, TORSO_RADIUS_M, _HEAD_M)
_ARM_M = (_LIMB_M, _LIMB_M, _LIMB_M, _HAND_M, _HAND_M)  # shoulder, elbow, wrist, hand, and its tip
_LEG_M = (TORSO_RADIUS_M, _THIGH_M, _LIMB_M, _LIMB_M)  # hip, knee, ankle, foot

KINECT_V2 = JointLayout(
    "Kinect v2",
    num_joints=25,
    bones=(
        *_chain(0, 1, 20, 2, 3, radii_m=_SPINE_M),  # spine, neck, head
        *_chain(20, 4, 5, 6, 7, 21, radii_m=_ARM_M),  # left arm, hand, its tip
        Bone(6, 22, _HAND_M),  # thumb
        *_chain(20, 8, 9, 10, 11, 23, radii_m=_ARM_M),
        Bone(10, 24, _HAND_M),
        *_chain(0, 12, 13, 14, 15, radii_m=_LEG_M),
        *_chain(0, 16, 17, 18, 19, radii_m=_LEG_M),
    ),
    trunk=(0, 1, 2, 3, 20, 12, 16),
    legs=(13, 14, 15, 17, 18, 19),
)
"""Source: JointType of the Kinect for Windows SDK 2.0, the order of NTU RGB+D's .skeleton files."""

KINECT_V1 = JointLayout(
    "Kinect v1",
    num_joints=20,
    bones=(
        *_chain(0, 1, 2, 3, radii_m=_SPINE_M[1:]),  # spine, between the shoulders, head
        *_chain(2, 4, 5, 6, 7, radii_m=_ARM_M),
        *_chain(2, 8, 9, 10, 11, radii_m=_ARM_M),
        *_chain(0, 12, 13, 14, 15, radii_m=_LEG_M),
        *_chain(0, 16, 17, 18, 19, radii_m=_LEG_M),
    ),
    trunk=(0, 1, 2, 3, 12, 16),
    legs=(13, 14, 15, 17, 18, 19),
)
"""Source: NUI_SKELETON_POSITION_INDEX of the Kinect for Windows SDK 1.8."""
