"""Somebody who stands still, as a D435 sees them: only the right field of view tells that they are a person."""

import numpy as np

from benchmarks.support.scenes import render_people, rendering_camera
from preprocess.synthetic.body import Arm, Pose, joints_in_room
from preprocess.synthetic.scene import SETUPS
from rgbd.camera.sensors import find_sensor
from rgbd.types import Depth

SIZE, FOCAL = (640, 480), 384.0  # a Kinect v1 has frames of that size, but not that focal length


def see_standing() -> tuple[list[Depth], float]:
    """Return six frames of depth, and the mean share of a frame that they cover."""
    camera = rendering_camera(find_sensor("d435").camera(SIZE), SIZE)
    hanging = Arm((5, -72), (10, -75))
    joints = joints_in_room(Pose((0, 3.0), 5, (hanging, hanging)), 1.75)
    frames = render_people(SETUPS[0], camera, lambda _: [joints], num_frames=6)
    return [frame.depth_mm for frame in frames], float(np.mean([frame.mask.mean() for frame in frames]))
