"""Bags of ROS 1 and 2, written by the library rosbags, which shares nothing with our reader."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags import rosbag1, rosbag2
from rosbags.typesys import Stores, get_typestore

Said = tuple[str, dict[str, Any]]
"""A message: its type as ROS 2 calls it, and its fields; a stamp in nanoseconds and a frame stand for its header."""

CONTAINERS = ("bag", "bag lz4", "bag bz2", "mcap", "mcap zstd", "db3")

_STORES = {"ROS 1": get_typestore(Stores.ROS1_NOETIC), "ROS 2": get_typestore(Stores.ROS2_HUMBLE)}
_START_NS = 1_700_000_000_000_000_000


def image(encoding: str, pixels: NDArray[Any], stamp_ns: int, *, padding: int = 0, big_endian: bool = False) -> Said:
    """Return an Image of pixels [H, W] or [H, W, C]; padding: bytes behind each row."""
    ordered = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<"))
    rows = np.frombuffer(ordered.tobytes(), np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=7)
    said = {"height": pixels.shape[0], "width": pixels.shape[1], "encoding": encoding, "step": rows.shape[1]}
    return (
        "sensor_msgs/msg/Image",
        {"header": (stamp_ns, "camera"), **said, "is_bigendian": int(big_endian), "data": rows.ravel()},
    )


def compressed(format_: str, data: bytes, stamp_ns: int) -> Said:
    """Return a CompressedImage."""
    packed = np.frombuffer(data, np.uint8)
    return "sensor_msgs/msg/CompressedImage", {"header": (stamp_ns, "camera"), "format": format_, "data": packed}


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
    return store.types[name](**{key: _value(store, key, value) for key, value in fields.items()})


def _value(store: Any, key: str, value: Any) -> Any:
    if key != "header":
        return value
    stamp_ns, frame = value
    stamp = store.types["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    header = store.types["std_msgs/msg/Header"]
    counter = {"seq": 3} if "seq" in header.__dataclass_fields__ else {}
    return header(**counter, stamp=stamp, frame_id=frame)
