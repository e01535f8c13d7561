"""A bag of somebody who stands before two cameras, of which it tells the calibration."""

from pathlib import Path

import numpy as np

from benchmarks.support.ros_bags import SECOND, Said, camera_info, image, transform, tree, write_bag
from benchmarks.support.scenes import Seen, render_people, rendering_camera
from preprocess.synthetic.body import Arm, Pose, joints_in_room
from preprocess.synthetic.scene import SETUPS
from rgbd.camera.intrinsics import pinhole
from rgbd.types import Size

DEPTH_SIZE, COLOR_SIZE = (320, 288), (640, 360)
DEPTH_FOCAL, COLOR_FOCAL = 252.0, 306.0
APART_M = 0.12  # more than any camera's, so that a stretch, or another sign, cannot pass


def seen(size: Size, focal: float, aside_m: float) -> list[Seen]:
    """Somebody who stands, as a camera sees them that stands so far aside."""
    camera = rendering_camera(pinhole(focal, focal, size[0] / 2, size[1] / 2, name=""), size)
    hanging = Arm((5, -72), (10, -75))
    joints = joints_in_room(Pose((0.2, 2.2), 5, (hanging, hanging)), 1.75) - np.array([aside_m, 0, 0], np.float32)
    return render_people(SETUPS[0], camera, lambda _: [joints], num_frames=6)


def see_both() -> tuple[list[Seen], list[Seen]]:
    """Return what the cameras of depth and of colour see of them."""
    return seen(DEPTH_SIZE, DEPTH_FOCAL, 0.0), seen(COLOR_SIZE, COLOR_FOCAL, APART_M)


def lens(size: Size, focal: float) -> Said:
    matrix = (focal, 0, size[0] / 2 - 0.5, 0, focal, size[1] / 2 - 0.5, 0, 0, 1)
    return camera_info(size, matrix, "plumb_bob", [0.0] * 5)


def write_both(folder: Path, both: tuple[list[Seen], list[Seen]], *, is_calibrated: bool = True) -> Path:
    """Write both cameras; in colour the person is white before black, and depth lags by a third of an interval."""
    depth, color = both
    turns = range(1, len(depth) + 1)
    white = [np.repeat(frame.mask[:, :, None] * np.uint8(255), 3, axis=2) for frame in color]
    topics: dict[str, list[Said]] = {
        "/camera/color/image_raw": [
            image("rgb8", frame, turn * SECOND // 30, frame="color") for turn, frame in zip(turns, white, strict=True)
        ],
        "/camera/depth/image_raw": [
            image("16UC1", frame.depth_mm, turn * SECOND // 30 + SECOND // 90, frame="depth")
            for turn, frame in zip(turns, depth, strict=True)
        ],
        "/camera/color/camera_info": [lens(COLOR_SIZE, COLOR_FOCAL)],
        "/camera/depth/camera_info": [lens(DEPTH_SIZE, DEPTH_FOCAL)],
    }
    if is_calibrated:  # the place of the colour camera in the frame of that of depth
        aside = transform((APART_M, 0, 0), (0, 0, 0, 1))
        topics["/tf_static"] = [tree(("depth", "color", aside))]
    return write_bag(folder, "bag", topics)
