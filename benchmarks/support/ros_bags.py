"""Bags of ROS 1 and 2, written by the library rosbags, which shares nothing with our reader."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags import rosbag1, rosbag2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from rgbd.types import Size

Said = tuple[str, dict[str, Any]]
"""A message: its type as ROS 2 calls it, and its fields; a stamp in nanoseconds and a frame stand for its header."""

SECOND = 10**9
RANDOM = np.random.default_rng(0)
DEPTH = [RANDOM.integers(0, 1 << 16, (48, 64), np.uint16) for _ in range(5)]
COLOR = [RANDOM.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(7)]
DEPTH_TOPIC, COLOR_TOPIC = "/camera/depth/image_rect_raw", "/camera/color/image_raw"
CHATTER: list[Said] = [("std_msgs/msg/String", {"data": "what else a robot says"})] * 9
# Seven of colour and five of depth, on one clock; depth begins first.
COLOR_NS = [20 * SECOND + 33_000_000 * number for number in range(7)]
DEPTH_NS = [20 * SECOND - 5_000_000 + 50_000_000 * number for number in range(5)]

CONTAINERS = ("bag", "bag lz4", "bag bz2", "mcap", "mcap zstd", "db3")

_STORES = {"ROS 1": get_typestore(Stores.ROS1_NOETIC), "ROS 2": get_typestore(Stores.ROS2_HUMBLE)}
_TREE = "tf2_msgs/msg/TFMessage"  # which the library knows of ROS 2 alone
_STORES["ROS 1"].register(get_types_from_msg("geometry_msgs/TransformStamped[] transforms", _TREE))
_START_NS = 1_700_000_000_000_000_000


def camera() -> dict[str, list[Said]]:
    """Return the messages of a camera: five of depth, and seven of colour on the same clock, and what else is said."""
    return {
        "/chatter": CHATTER,
        DEPTH_TOPIC: [image("16UC1", frame, stamp) for frame, stamp in zip(DEPTH, DEPTH_NS, strict=True)],
        COLOR_TOPIC: [image("rgb8", frame, stamp) for frame, stamp in zip(COLOR, COLOR_NS, strict=True)],
    }


def image(
    encoding: str,
    pixels: NDArray[Any],
    stamp_ns: int,
    *,
    padding: int = 0,
    big_endian: bool = False,
    frame: str = "camera",
) -> Said:
    """Return an Image of pixels [H, W] or [H, W, C]; padding: bytes behind each row."""
    ordered = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<"))
    rows = np.frombuffer(ordered.tobytes(), np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=7)
    said = {"height": pixels.shape[0], "width": pixels.shape[1], "encoding": encoding, "step": rows.shape[1]}
    return (
        "sensor_msgs/msg/Image",
        {"header": (stamp_ns, frame), **said, "is_bigendian": int(big_endian), "data": rows.ravel()},
    )


def compressed(format_: str, data: bytes, stamp_ns: int) -> Said:
    """Return a CompressedImage."""
    packed = np.frombuffer(data, np.uint8)
    return "sensor_msgs/msg/CompressedImage", {"header": (stamp_ns, "camera"), "format": format_, "data": packed}


def camera_info(
    size: Size,
    matrix: Sequence[float],
    model: str,
    distortion: Sequence[float],
    projection: Sequence[float] = (0,) * 12,
) -> Said:
    """Return a CameraInfo; matrix: K, row by row, projection: P."""
    numbers = {"d": distortion, "k": matrix, "r": np.eye(3).ravel(), "p": projection}
    said = {key: np.array(value, np.float64) for key, value in numbers.items()}
    region = ("sensor_msgs/msg/RegionOfInterest", {"x_offset": 0, "y_offset": 0, "height": 0, "width": 0})
    region[1]["do_rectify"] = False
    more = {"width": size[0], "height": size[1], "distortion_model": model, "binning_x": 0, "binning_y": 0}
    return "sensor_msgs/msg/CameraInfo", {"header": (5, "camera"), **more, **said, "roi": region}


def transform(translation_m: Sequence[float], quaternion: Sequence[float]) -> Said:
    """Return a Transform; the quaternion is x, y, z, w."""
    parts = {
        "translation": ("geometry_msgs/msg/Vector3", dict(zip("xyz", translation_m, strict=True))),
        "rotation": ("geometry_msgs/msg/Quaternion", dict(zip("xyzw", quaternion, strict=True))),
    }
    return "geometry_msgs/msg/Transform", parts


def tree(*edges: tuple[str, str, Said]) -> Said:
    """Return a TFMessage of frames of reference: a parent, a child, and where that lies in the parent."""
    said = [
        (
            "geometry_msgs/msg/TransformStamped",
            {"header": (5, parent), "child_frame_id": child, "transform": turn},
        )
        for parent, child, turn in edges
    ]
    return _TREE, {"transforms": said}


def write_bag(folder: Path, container: str, topics: Mapping[str, Sequence[Said]]) -> Path:
    """Write messages into a new file, those of all topics in turn and a millisecond apart; return its path."""
    kind, _, packing = container.partition(" ")
    store = _STORES["ROS 1" if kind == "bag" else "ROS 2"]
    turns = [
        (topic, said[turn])
        for turn in range(max(map(len, topics.values())))
        for topic, said in topics.items()
        if turn < len(said)
    ]
    path = folder / "recorded.bag" if kind == "bag" else folder / "recorded"
    with _writer(path, kind, packing) as writer:
        known: dict[tuple[str, str], Any] = {}
        for number, (topic, (name, fields)) in enumerate(turns):
            if (topic, name) not in known:
                known[topic, name] = writer.add_connection(topic, name, typestore=store)
            message = _message(store, name, fields)
            pack = store.serialize_ros1 if kind == "bag" else store.serialize_cdr
            writer.write(known[topic, name], _START_NS + number * 10**6, pack(message, name))
    return path if kind == "bag" else path / f"recorded.{kind}"


def _writer(path: Path, kind: str, packing: str) -> Any:
    if kind == "bag":
        bag = rosbag1.Writer(path)
        if packing:
            bag.set_compression(rosbag1.Writer.CompressionFormat[packing.upper()])
        return bag
    plugin = {"mcap": rosbag2.StoragePlugin.MCAP, "db3": rosbag2.StoragePlugin.SQLITE3}[kind]
    writer = rosbag2.Writer(path, version=9, storage_plugin=plugin)
    if packing:
        writer.set_compression(rosbag2.CompressionMode.STORAGE, rosbag2.CompressionFormat.ZSTD)
    return writer


def _message(store: Any, name: str, fields: Mapping[str, Any]) -> Any:
    kind = store.types[name]
    # ROS 1 writes the matrices of a camera_info in capitals.
    names = {key.lower(): key for key in kind.__dataclass_fields__}
    return kind(**{names[key]: _value(store, key, value) for key, value in fields.items()})


def _value(store: Any, key: str, value: Any) -> Any:
    if key == "header":
        return _header(store, *value)
    if isinstance(value, list):
        return [_value(store, "", part) for part in value]
    if isinstance(value, tuple):
        return _message(store, *value)
    return value


def _header(store: Any, stamp_ns: int, frame: str) -> Any:
    stamp = store.types["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    header = store.types["std_msgs/msg/Header"]
    counter = {"seq": 3} if "seq" in header.__dataclass_fields__ else {}
    return header(**counter, stamp=stamp, frame_id=frame)
