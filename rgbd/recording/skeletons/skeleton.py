"""Where the joints of the bodies of a recording are, frame by frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rgbd.camera.intrinsics import DepthCamera
from rgbd.camera.registration import Registration
from rgbd.recording.skeletons.joint_layout import KINECT_V1, KINECT_V2, JointLayout

_MAX_PAIRS_PER_CLIP = 200  # more bring no accuracy: a camera sees hundreds of clips


@dataclass(frozen=True, eq=False)
class Body:
    """One person in one frame, with the J joints of a layout.

    joints_m: float32 [J, 3], x y z in the depth camera's frame; depth_xy, color_xy: float32 [J, 2], pixels of the depth
    and of the colour frame; orientations: float32 [J, 4], w x y z; tracking_states: int64 [J], 0 not tracked, 1
    inferred, 2 tracked. Sensors give joints that they have lost as NaN, or as the place of the camera itself, zero.
    """

    body_id: str
    joints_m: NDArray[np.float32]
    depth_xy: NDArray[np.float32]
    color_xy: NDArray[np.float32]
    orientations: NDArray[np.float32]
    tracking_states: NDArray[np.int64]
    layout: JointLayout = KINECT_V2

    @property
    def is_placed(self) -> NDArray[np.bool_]:
        """Which joints have a place before the camera, bool [J]."""
        return np.isfinite(self.joints_m).all(axis=1) & (self.joints_m[:, 2] > 0)


Skeleton = list[tuple[Body, ...]]
"""The bodies of each frame; an empty tuple where nobody is seen."""


def kinect_v1_body(joints_m: NDArray[np.float32], camera: DepthCamera, registration: Registration) -> Body:
    """Return the body of a Kinect v1 whose joints have these places in metres, float32 [20, 3], and nothing else."""
    depth_xy = camera.project(joints_m)
    return Body(
        "1",
        joints_m,
        depth_xy,
        registration.to_color(depth_xy).astype(np.float32),
        orientations=np.full((len(joints_m), 4), np.nan, np.float32),
        tracking_states=np.where(np.isfinite(depth_xy).all(axis=1), 2, 0),
        layout=KINECT_V1,
    )


def joints_of(skeleton: Skeleton) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the places in metres [N, 3] and the depth pixels [N, 2] of all joints of all bodies, float32."""
    bodies = [body for frame in skeleton for body in frame]
    return (
        np.concatenate([np.empty((0, 3), np.float32), *(body.joints_m for body in bodies)]),
        np.concatenate([np.empty((0, 2), np.float32), *(body.depth_xy for body in bodies)]),
    )


def joint_pairs(skeleton: Skeleton) -> NDArray[np.float32]:
    """Return float32 [N, 4]: depth x, y, colour x, y of at most 200 joints of a clip that have all four."""
    bodies = [body for frame in skeleton for body in frame]
    if not bodies:
        return np.empty((0, 4), np.float32)
    pairs = np.concatenate([np.hstack([body.depth_xy, body.color_xy]) for body in bodies])
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    # Drawn, because every n-th may be the same joint of every body.
    chosen = np.random.default_rng(0).permutation(len(pairs))[:_MAX_PAIRS_PER_CLIP]
    return np.asarray(pairs[chosen], np.float32)
