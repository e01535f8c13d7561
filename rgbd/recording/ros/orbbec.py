"""What the recorder of Orbbec's SDK writes into bags of ROS 1 besides what ROS defines.

Images lie in /cam/sensor_N/frameType_N, where N says which sensor it is; what is known of its lens, and of depth the
way to colour, in /cam/streamProfileType_N. Source: OrbbecSDK_v2, src/media/ros (RosFileFormat.hpp, RosbagWriter.cpp)
and the definitions of its messages; libobsensor/h/ObTypes.h.
"""

import re
from typing import NamedTuple

from rgbd.camera.calibration import Intrinsics, Pose
from rgbd.recording.ros.messages import Cursor

ORBBEC_PROFILE = "custom_msg/OBStreamProfileInfo"
"""The type of what is said of a lens."""

COLOR_SENSOR, DEPTH_SENSOR = 2, 3

_IMAGE = re.compile(r"/cam/sensor_(\d+)/frameType_\d+")
_PROFILE = re.compile(r"/cam/streamProfileType_(\d+)")
_INFRARED = (1, 6, 7)  # ..., left and right
# By their numbers: names of models that `rgbd.camera.distortion` knows, and how many coefficients each has.
_MODELS = (
    ("", 0),
    ("modified brown conrady", 5),
    ("inverse brown conrady", 5),
    ("brown conrady", 5),
    ("rational_polynomial", 8),
    ("kannala brandt4", 4),
)


class OrbbecProfile(NamedTuple):
    """What is said of one sensor; to_color: of depth, None where it says no rotation."""

    lens: Intrinsics | None
    to_color: Pose | None


def sensor_of_image(topic: str) -> int | None:
    """Return the number of the sensor whose images are in a topic; None for a topic of somebody else's."""
    match = _IMAGE.fullmatch(topic)
    return int(match[1]) if match else None


def sensor_of_profile(topic: str) -> int | None:
    """Return the number of the sensor that a topic tells the lens of; None for a topic of somebody else's."""
    match = _PROFILE.fullmatch(topic)
    return int(match[1]) if match else None


def is_infrared(topic: str) -> bool:
    """Return whether the images of a topic are infrared."""
    return sensor_of_image(topic) in _INFRARED


def orbbec_profile(data: bytes, is_cdr: bool) -> OrbbecProfile:
    """Return what a custom_msg/OBStreamProfileInfo says; raises `BrokenError` for one that breaks off."""
    cursor = Cursor(data, is_cdr)
    cursor.header()
    cursor.numbers("B", 2)  # which stream it is, which the topic says, too, and its format
    rotation, millimetres = cursor.numbers("f", 9), cursor.numbers("f", 3)
    width, height, _ = cursor.numbers("H", 3)
    fx, fy, cx, cy = cursor.numbers("f", 4)
    k1, k2, k3, k4, k5, k6, p1, p2 = cursor.numbers("f", 8)
    number = cursor.whole("B")
    name, count = _MODELS[number] if number < len(_MODELS) else (f"model {number} of Orbbec", 8)
    ordered = (k1, k2, k3, k4) if count == 4 else (k1, k2, p1, p2, k3, k4, k5, k6)[:count]
    lens = Intrinsics((int(width), int(height)), fx, fy, cx, cy, name, ordered)
    x, y, z = (part / 1000 for part in millimetres)
    return OrbbecProfile(lens if lens.can_be else None, Pose.of_matrix(rotation, (x, y, z)))
