"""Bags as the recorder of Orbbec's SDK writes them; rosbags packs their messages by Orbbec's published definitions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag1 import Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from rgbd.camera.calibration import Intrinsics
from rgbd.errors import MediaError
from rgbd.recording.formats import open_stream, open_streams
from rgbd.recording.stills.images import encode_image
from rgbd.recording.streams import frame_of

DEPTH = [np.random.default_rng(number).integers(0, 9000, (48, 64), np.uint16) for number in range(3)]
COLOR = [np.full((90, 160, 3), (200 - 40 * number, 60, 40), np.uint8) for number in range(3)]
IMAGE = """std_msgs/Header header
uint32 height
uint32 width
string encoding
uint8 is_bigendian
uint32 step
uint8[] data
uint64 number
uint64 timestamp_usec
uint64 timestamp_systemusec
uint64 timestamp_globalusec
uint8[] metadata
uint32 metadatasize
"""
PROFILE = """std_msgs/Header header
uint8 streamType
uint8 format
float32[9] rotationMatrix
float32[3] translationMatrix
uint16 width
uint16 height
uint16 fps
float32[4] cameraIntrinsic
float32[8] cameraDistortion
uint8 distortionModel
"""
NAMES = {"image": "sensor_msgs/msg/Image", "profile": "custom_msg/msg/OBStreamProfileInfo"}
TURN = (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
STORE = get_typestore(Stores.EMPTY)
for name, definition in (("image", IMAGE), ("profile", PROFILE)):
    STORE.register(get_types_from_msg(definition, NAMES[name]))
BASE = get_typestore(Stores.ROS1_NOETIC)
STORE.register({name: BASE.fielddefs[name] for name in ("std_msgs/msg/Header", "builtin_interfaces/msg/Time")})


def header(microseconds: int) -> Any:
    time = STORE.types["builtin_interfaces/msg/Time"](sec=microseconds // 10**6, nanosec=microseconds % 10**6 * 1000)
    return STORE.types["std_msgs/msg/Header"](seq=0, stamp=time, frame_id="")


def image(encoding: str, frame: np.ndarray, microseconds: int, data: bytes | None = None) -> Any:
    packed = np.frombuffer(frame.tobytes() if data is None else data, np.uint8)
    return STORE.types[NAMES["image"]](
        header=header(microseconds),
        height=frame.shape[0],
        width=frame.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=frame.strides[0],
        data=packed,
        number=1,
        timestamp_usec=microseconds,
        timestamp_systemusec=microseconds + 5,
        timestamp_globalusec=0,
        metadata=np.frombuffer(b"exposure", np.uint8),
        metadatasize=8,
    )


def profile(stream: int, lens: Intrinsics, model: int, coefficients: tuple[float, ...]) -> Any:
    return STORE.types[NAMES["profile"]](
        header=header(1),
        streamType=stream,
        format=28,
        rotationMatrix=np.array(TURN, np.float32),
        translationMatrix=np.array((-32.5, 2.0, 4.0), np.float32),  # millimetres
        width=lens.size[0],
        height=lens.size[1],
        fps=30,
        cameraIntrinsic=np.array((lens.fx, lens.fy, lens.cx, lens.cy), np.float32),
        cameraDistortion=np.array(coefficients, np.float32),
        distortionModel=model,
    )


DEPTH_LENS = Intrinsics((64, 48), 50, 51, 31.5, 23.5)
COLOR_LENS = Intrinsics((160, 90), 120, 121, 80, 45)


def write(path: Path, said: Mapping[str, list[tuple[str, Any]]], md5: str = "") -> Path:
    with Writer(path) as writer:
        for topic, messages in said.items():
            kind = messages[0][0]
            definition = IMAGE if kind == "image" else PROFILE
            sums = md5 if kind == "image" and md5 else "0123456789abcdef" * 2
            known = writer.add_connection(topic, NAMES[kind], msgdef=definition, md5sum=sums)
            for number, (_, message) in enumerate(messages, start=1):
                writer.write(known, number * 10**6, STORE.serialize_ros1(message, NAMES[kind]))
    return path


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    times = [1_000_000 + 33_333 * number for number in range(3)]
    jpeg = [
        image("MJPG", frame, time + 900, encode_image(".jpg", frame)) for frame, time in zip(COLOR, times, strict=True)
    ]
    distortion = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.01, 0.02)
    return write(
        tmp_path / "orbbec.bag",
        {
            "/cam/sensor_3/frameType_3": [("image", image("mono16", f, t)) for f, t in zip(DEPTH, times, strict=True)],
            "/cam/sensor_1/frameType_1": [
                ("image", image("mono16", f + 1, t)) for f, t in zip(DEPTH, times, strict=True)
            ],
            "/cam/sensor_2/frameType_2": [("image", message) for message in jpeg],
            "/cam/streamProfileType_3": [("profile", profile(3, DEPTH_LENS, 0, (0.0,) * 8))],
            "/cam/streamProfileType_2": [("profile", profile(2, COLOR_LENS, 4, distortion))],
        },
    )


def test_colour_and_depth_of_a_bag_of_orbbec_and_no_infrared(recorded: Path) -> None:
    rgb, depth = open_streams(recorded)
    assert (rgb.track, depth.track) == ("/cam/sensor_2/frameType_2", "/cam/sensor_3/frameType_3")
    for frame, expected in zip(map(frame_of, depth.read()), DEPTH, strict=True):
        np.testing.assert_array_equal(frame, expected)
    for frame, expected in zip(map(frame_of, rgb.read()), COLOR, strict=True):
        assert np.abs(frame.astype(int) - expected).max() < 4
    assert depth.times_s == pytest.approx((0, 0.033333, 0.066666), abs=1e-6)
    assert rgb.times_s == pytest.approx((0.0009, 0.034233, 0.067566), abs=1e-6)


def test_it_tells_both_lenses_and_the_way_between_them(recorded: Path) -> None:
    rgb, depth = open_streams(recorded)
    assert depth.camera.intrinsics == DEPTH_LENS
    lens = rgb.camera.intrinsics
    assert lens is not None and (lens.size, lens.model) == ((160, 90), "rational_polynomial")
    assert lens.distortion == pytest.approx((0.1, 0.2, 0.01, 0.02, 0.3, 0.4, 0.5, 0.6))  # in OpenCV's order
    pose = depth.camera.pose_to(rgb.camera)
    assert pose is not None
    np.testing.assert_allclose(pose.apply(np.array([[1.0, 2.0, 3.0]])), [[-2 - 0.0325, 1.002, 3.004]], atol=1e-6)


@pytest.mark.parametrize("md5", ["f" * 32, "060021388200f6f0f447d0fcd9c64743"])
def test_versions_of_the_recorder_differ_in_the_sum_of_their_image(tmp_path: Path, md5: str) -> None:
    path = write(tmp_path / "x.bag", {"/cam/sensor_3/frameType_3": [("image", image("Z16", DEPTH[0], 9))]}, md5)
    np.testing.assert_array_equal(frame_of(next(open_stream(path, "depth").read())), DEPTH[0])


def test_infrared_alone_is_neither(tmp_path: Path) -> None:
    said = {f"/cam/sensor_{number}/frameType_8": [("image", image("mono16", DEPTH[0], 9))] for number in (1, 6, 7)}
    with pytest.raises(MediaError, match=r"no images of colour or depth .*/cam/sensor_1"):
        open_streams(write(tmp_path / "x.bag", said))
