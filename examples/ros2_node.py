"""A ROS 2 node: the topics of a camera go in, what they show comes out as JSON on the topic `motion`.

    python examples/ros2_node.py --ros-args -p url:=http://127.0.0.1:8000 \
        -r rgb:=/camera/color/image_raw -r depth:=/camera/aligned_depth_to_color/image_raw

`-p streams:=depth` leaves a stream out. Needs ROS 2 and `pip install 'rgbd-motion[client]'`; the key of a service that
asks for one is that of RGBD_MOTION_KEY.
"""

import json
import os
import threading
from dataclasses import asdict

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import String

from clients.errors import ClientError
from clients.live.messages import Frame, Stream
from clients.live.session import Live

_KINDS = {"rgb8": ("u1", 3), "bgr8": ("u1", 3), "16UC1": ("u2", 1), "mono16": ("u2", 1), "32FC1": ("f4", 1)}


class Recogniser(Node):
    """Sends what the topics `rgb` and `depth` bring, and publishes answers and events."""

    def __init__(self) -> None:
        super().__init__("rgbd_motion")
        self._url = self.declare_parameter("url", "http://127.0.0.1:8000").value
        self._streams: list[Stream] = self.declare_parameter("streams", "rgb,depth").value.split(",")
        self._sizes: dict[Stream, tuple[int, int]] = {}
        self._live: Live | None = None
        self._said = self.create_publisher(String, "motion", 10)
        for stream in self._streams:
            self.create_subscription(
                Image, stream, lambda image, s=stream: self._send(s, image), qos_profile_sensor_data
            )

    def _send(self, stream: Stream, image: Image) -> None:
        try:
            frame = to_frame(image)
            self._sizes[stream] = image.width, image.height
            if self._live is None and len(self._sizes) == len(self._streams):
                self._open()
            if self._live is not None:
                self._live.send(stream, image.header.stamp.sec + image.header.stamp.nanosec / 1e9, frame)
        except ClientError as error:
            self.get_logger().warning(f"{error}", throttle_duration_sec=5)
            self.close()  # the next frames try again

    def _open(self) -> None:
        live = Live(self._url, sizes=self._sizes, api_key=os.environ.get("RGBD_MOTION_KEY"))
        self._live = live.__enter__()
        threading.Thread(target=self._publish, args=[live], daemon=True).start()

    def _publish(self, live: Live) -> None:
        try:
            for said in live:
                self._said.publish(String(data=json.dumps({"kind": type(said).__name__.lower(), **asdict(said)})))
        except ClientError as error:
            self.get_logger().warning(f"{error}")

    def close(self) -> None:
        """End the stream; what still comes opens another."""
        if self._live is not None:
            self._live.__exit__()
        self._live = None


def to_frame(image: Image) -> Frame:
    """Return uint8 RGB [H, W, 3], or uint16 depth [H, W] in millimetres; raises `ClientError` for other encodings."""
    if image.encoding not in _KINDS:
        raise ClientError(f"{image.encoding}: is not among {', '.join(_KINDS)}")
    kind, channels = _KINDS[image.encoding]
    dtype = np.dtype(kind).newbyteorder(">" if image.is_bigendian else "<")
    lines = np.frombuffer(image.data, np.uint8).reshape(image.height, image.step)
    pixels = lines[:, : image.width * channels * dtype.itemsize].copy().view(dtype)
    if image.encoding == "32FC1":  # metres, by REP 118
        return np.nan_to_num(1000 * pixels, posinf=0).clip(0, 65535).astype(np.uint16)
    frame = pixels.astype(dtype.newbyteorder("=")).reshape(image.height, image.width, channels)
    return frame[..., 0] if channels == 1 else frame[..., ::-1] if image.encoding == "bgr8" else frame


if __name__ == "__main__":
    rclpy.init()
    node = Recogniser()
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    finally:
        node.close()
