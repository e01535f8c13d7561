"""MSR-Action3D's skeletons, text with the places of 20 joints in the room -> typed arrays.

Source: the data set's page, which promises 20 joints of four numbers for each depth frame; the loaders of others and
the published files themselves: x, y, z in metres, y up, and a confidence, which is 0 for joints that follow from others
and says nothing about their places. The files of pixels that the data set has, too, are these places as a Kinect v1's
software projects them, and z in units of 4 mm.
"""

import warnings
from pathlib import Path

import numpy as np

from rgbd.camera.registration import stretch
from rgbd.camera.sensors import find_sensor
from rgbd.errors import DatasetError, reason_of
from rgbd.recording.skeletons.joint_layout import KINECT_V1
from rgbd.recording.skeletons.skeleton import Skeleton, kinect_v1_body
from rgbd.types import Size

_NUM_VALUES = 4
# Hips, spine, between the shoulders, head; then the limbs, those on the right of the picture first. Which of them are
# the performer's right ones makes no difference here.
_JOINT_ORDER = (6, 3, 2, 19, 1, 8, 10, 12, 0, 7, 9, 11, 5, 14, 16, 18, 4, 13, 15, 17)
_REMEDY = "copy the file again, or remove it to have the clip processed without its skeleton"


def read_skeleton(path: Path, depth_size: Size) -> Skeleton:
    """Return the body of every frame, with its pixels in depth frames of this size; none where no joint has a place.

    Raises `DatasetError`, naming file and remedy, where the text is no such skeleton.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an empty file, which is told below
            table = np.loadtxt(path, np.float32, ndmin=2, encoding="ascii")
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read as lines of numbers ({reason_of(error)}); {_REMEDY}") from error
    num_lines, num_values = table.shape
    if num_lines == 0 or num_lines % KINECT_V1.num_joints or num_values != _NUM_VALUES:
        raise DatasetError(
            f"{path}: has {num_lines} lines of {num_values} numbers; expected {KINECT_V1.num_joints} lines a frame, "
            f"each of {_NUM_VALUES} numbers; {_REMEDY}"
        )
    camera, registration = find_sensor("kinect_v1").camera(depth_size), stretch(depth_size, depth_size)
    frames = table[:, :3].reshape(-1, KINECT_V1.num_joints, 3)[:, _JOINT_ORDER]
    bodies = [kinect_v1_body(frame, camera, registration) for frame in frames]
    return [(body,) if body.is_placed.any() else () for body in bodies]
