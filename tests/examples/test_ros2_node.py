"""The ROS 2 node against a real service. ROS 2 itself is on no package index: the little of it that the node uses is
made here; messages are those of its definitions, by rosbags."""

# ruff: noqa: ARG002  ROS calls its functions with more than is needed here

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore

from benchmarks.support.tiny_bundle import make_bundle
from clients.errors import ClientError
from export.bundle.folder import read_bundle, write_manifest
from tests.support.scripts import load_script
from tests.support.server import running_server

EXAMPLE = Path(__file__).parents[2] / "examples" / "ros2_node.py"
TYPES = get_typestore(Stores.ROS2_HUMBLE).types
FPS = 20


class Node:
    """What the example uses of `rclpy.node.Node`."""

    def __init__(self, name: str) -> None:
        self.topics: dict[str, Callable[[Any], None]] = {}
        self.published: list[Any] = []
        self.warnings: list[str] = []

    def declare_parameter(self, name: str, default: str) -> SimpleNamespace:
        return SimpleNamespace(value=self.parameters.get(name, default))

    def create_publisher(self, kind: type, topic: str, depth: int) -> SimpleNamespace:
        return SimpleNamespace(publish=self.published.append)

    def create_subscription(self, kind: type, topic: str, callback: Callable[[Any], None], qos: object) -> None:
        self.topics[topic] = callback

    def get_logger(self) -> SimpleNamespace:
        return SimpleNamespace(warning=lambda text, **_: self.warnings.append(text))

    parameters: dict[str, str] = {}  # noqa: RUF012


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    image, text = TYPES["sensor_msgs/msg/Image"], TYPES["std_msgs/msg/String"]
    for name, content in {
        "rclpy": {},
        "rclpy.node": {"Node": Node},
        "rclpy.qos": {"qos_profile_sensor_data": object()},
        "sensor_msgs.msg": {"Image": image},
        "std_msgs.msg": {"String": text},
    }.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    return load_script(EXAMPLE)


def image(encoding: str, pixels: np.ndarray, time_s: float = 0, padding: int = 0, big: bool = False) -> Any:
    lines = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder(">")) if big else pixels)
    lines = lines.view(np.uint8).reshape(len(pixels), -1)
    lines = np.pad(lines, ((0, 0), (0, padding)))
    stamp = TYPES["builtin_interfaces/msg/Time"](sec=int(time_s), nanosec=round(time_s % 1 * 1e9))
    header = TYPES["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")
    kind = TYPES["sensor_msgs/msg/Image"]
    height, width = pixels.shape[:2]
    return kind(header, height, width, encoding, int(big), lines.shape[1], lines.ravel())


def test_images_of_all_encodings_become_frames(example: ModuleType) -> None:
    rgb = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    depth = np.arange(24, dtype=np.uint16).reshape(4, 6) * 100
    for made, expected in (
        (image("rgb8", rgb), rgb),
        (image("bgr8", rgb[..., ::-1], padding=2), rgb),
        (image("16UC1", depth, padding=4), depth),
        (image("mono16", depth, big=True), depth),
        (image("32FC1", np.where(depth > 0, depth / 1000, np.nan).astype(np.float32)), depth),
    ):
        frame = example.to_frame(made)
        assert frame.dtype.isnative
        np.testing.assert_array_equal(frame, expected)
    with pytest.raises(ClientError, match="yuv422: is not among rgb8"):
        example.to_frame(image("yuv422", rgb))


def test_topics_go_in_and_answers_come_out(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = read_bundle(make_bundle(tmp_path / "model"))
    write_manifest(bundle.folder, bundle.manifest.model_copy(update={"clip_s": 1.0}))
    red, depth = np.full((48, 64, 3), (200, 0, 0), np.uint8), np.full((48, 64), 1500, np.uint16)
    with running_server(bundle.folder) as server:
        monkeypatch.setattr(Node, "parameters", {"url": server.url})
        node = example.Recogniser()
        for frame in range(60):
            node.topics["rgb"](image("rgb8", red, frame / FPS))
            node.topics["depth"](image("16UC1", depth, frame / FPS))
            time.sleep(0.5 / FPS)
        node.close()
    said = [json.loads(message.data) for message in node.published]
    assert {"view", "answer", "event"} <= {item["kind"] for item in said}
    assert {item["label"] for item in said if item["kind"] == "event"} == {"red"}


def test_a_service_that_is_not_there_is_told(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Node, "parameters", {"url": "http://127.0.0.1:9", "streams": "depth"})
    node = example.Recogniser()
    assert list(node.topics) == ["depth"]
    node.topics["depth"](image("16UC1", np.zeros((48, 64), np.uint16)))
    assert len(node.warnings) == 1 and "cannot be reached" in node.warnings[0]
