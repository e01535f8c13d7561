"""What a ROS file says of the cameras that took its images.

ROS: a camera_info beside each topic of images (REP 104), and a tree of frames of reference in tf. RealSense's own bags:
camera_info, depth units and extrinsics in topics of their own, below each stream's (librealsense, ros_file_format.h).
Orbbec's own bags: see orbbec.py.
"""

import re
from collections.abc import Callable
from contextlib import suppress

from rgbd.camera.calibration import IDENTITY, Intrinsics, Pose, StreamCamera
from rgbd.errors import ConfigError
from rgbd.recording.depth import check_unit
from rgbd.recording.ros.container import BrokenError, Message
from rgbd.recording.ros.messages import CameraInfo, Turn, camera_info, number, transform, transforms
from rgbd.recording.ros.orbbec import (
    COLOR_SENSOR,
    DEPTH_SENSOR,
    ORBBEC_PROFILE,
    OrbbecProfile,
    orbbec_profile,
    sensor_of_image,
    sensor_of_profile,
)
from rgbd.recording.ros.pictures import DEPTH_UNIT_MM

_MAX_FRAMES_OF_REFERENCE = 1000
_MAX_MESSAGE_BYTES = 1 << 20
_TRANSPORT = re.compile(r"/(compressed|compressedDepth)$")
_REALSENSE_IMAGE = re.compile(r"(?P<sensor>/device_\d+/sensor_\d+)/[^/]+(?=/image/data$)")
_REALSENSE_UNIT = re.compile(r"(?P<sensor>/device_\d+/sensor_\d+)/option/Depth[ _]Units/value")
_REALSENSE_POSE = re.compile(r"(?P<stream>/device_\d+/sensor_\d+/[^/]+)/tf/(?P<group>\d+)")


class CameraFacts:
    """What the messages beside the images say, taken note of as they come; of each topic, the first one counts."""

    def __init__(self) -> None:
        self._lenses: dict[str, CameraInfo] = {}
        self._parents: dict[str, tuple[str, Pose]] = {}
        self._units_mm: dict[str, float] = {}
        self._from_reference: dict[str, tuple[str, Pose]] = {}
        self._profiles: dict[int, OrbbecProfile] = {}
        self._readers: dict[str, Callable[[Message, bytes], None]] = {
            "sensor_msgs/CameraInfo": self._add_lens,
            "tf2_msgs/TFMessage": self._add_tree,
            "tf/tfMessage": self._add_tree,
            "std_msgs/Float32": self._add_unit,
            "geometry_msgs/Transform": self._add_pose,
            ORBBEC_PROFILE: self._add_profile,
        }

    def add(self, message: Message, read: Callable[[], bytes]) -> None:
        """Take note of a message, if it says anything; `read` gives its bytes."""
        reader = self._readers.get(message.type)
        if reader is None or message.topic in self._lenses or message.place.num_bytes > _MAX_MESSAGE_BYTES:
            return
        try:
            reader(message, read())
        except BrokenError:
            return  # a file that is damaged says so where its frames are read

    def camera(self, topic: str, frame: str) -> StreamCamera:
        """Return what is known of the camera of a topic of images, whose frame of reference is `frame`."""
        if (sensor := sensor_of_image(topic)) is not None:
            return self._orbbec_camera(sensor)
        lens = self._lens_of(topic)
        if (match := _REALSENSE_IMAGE.match(topic)) is None:
            return StreamCamera(lens, *self._to_root(frame)) if frame else StreamCamera(lens)
        # Extrinsics lead from a lens that all of a group share to that of the stream.
        group, from_group = self._from_reference.get(match[0], ("", None))
        return StreamCamera(lens, group, from_group and from_group.inverse())

    def unit_mm(self, topic: str, encoding: str) -> float | None:
        """Return the unit of a topic of depth; a file does not say whether 16UC1 follows REP 118: millimetres."""
        if encoding.startswith("32FC1"):
            return DEPTH_UNIT_MM
        match = _REALSENSE_IMAGE.match(topic)
        return self._units_mm.get(match["sensor"]) if match is not None else None

    def _add_lens(self, message: Message, data: bytes) -> None:
        self._lenses[message.topic] = camera_info(data, message.is_cdr)

    def _add_tree(self, message: Message, data: bytes) -> None:
        for parent, child, turn in transforms(data, message.is_cdr):
            pose = _pose(turn)
            if pose is not None and len(self._parents) < _MAX_FRAMES_OF_REFERENCE:
                self._parents.setdefault(child.lstrip("/"), (parent.lstrip("/"), pose))

    def _add_unit(self, message: Message, data: bytes) -> None:
        if (match := _REALSENSE_UNIT.fullmatch(message.topic)) is not None:
            unit_mm = float(f"{number(data, message.is_cdr) * 1000:.6g}")  # 0.001 has no exact place in 32 bits
            with suppress(ConfigError):
                check_unit(unit_mm)
                self._units_mm[match["sensor"]] = unit_mm

    def _add_pose(self, message: Message, data: bytes) -> None:
        pose = _pose(transform(data, message.is_cdr))
        if (match := _REALSENSE_POSE.fullmatch(message.topic)) is not None and pose is not None:
            self._from_reference[match["stream"]] = (match["group"], pose)

    def _add_profile(self, message: Message, data: bytes) -> None:
        if (sensor := sensor_of_profile(message.topic)) is not None:
            self._profiles.setdefault(sensor, orbbec_profile(data, message.is_cdr))

    def _orbbec_camera(self, sensor: int) -> StreamCamera:
        """Return the camera of a sensor of Orbbec's; that of depth is the reference of both."""
        lens = self._profiles[sensor].lens if sensor in self._profiles else None
        depth = self._profiles.get(DEPTH_SENSOR)
        if depth is None or depth.to_color is None or sensor not in (COLOR_SENSOR, DEPTH_SENSOR):
            return StreamCamera(lens)
        return StreamCamera(lens, "depth", IDENTITY if sensor == DEPTH_SENSOR else depth.to_color.inverse())

    def _lens_of(self, topic: str) -> Intrinsics | None:
        """Return the lens of a camera; None for one that was not calibrated, or of which nothing is said."""
        if (match := _REALSENSE_IMAGE.match(topic)) is not None:
            info, is_rectified = self._lenses.get(f"{match[0]}/info/camera_info"), False
        else:
            folder, _, name = _TRANSPORT.sub("", topic).rpartition("/")
            info, is_rectified = self._lenses.get(f"{folder}/camera_info"), "rect" in name
        if info is None:
            return None
        if is_rectified and info.projection[0] > 0:
            fx, _, cx, _, _, fy, cy, *_ = info.projection
            lens = Intrinsics(info.size, fx, fy, cx, cy)
        else:
            fx, _, cx, _, fy, cy, *_ = info.matrix
            lens = Intrinsics(info.size, fx, fy, cx, cy, info.model, info.distortion)
        return lens if lens.can_be else None

    def _to_root(self, frame: str) -> tuple[str, Pose]:
        """Return the last frame of reference above this one, and the way there."""
        frame, pose, passed = frame.lstrip("/"), IDENTITY, set[str]()
        while frame in self._parents and frame not in passed:
            passed.add(frame)
            frame, step = self._parents[frame]
            pose = pose.then(step)
        return frame, pose


def _pose(turn: Turn) -> Pose | None:
    (x, y, z), (qx, qy, qz, qw) = turn.translation_m, turn.rotation
    return Pose.of_quaternion((qx, qy, qz, qw), (x, y, z))
