"""Bags of ROS: whatever they are packed in, frames come out bit for bit, with their times."""

import struct
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.support.ros_bags import (
    COLOR,
    COLOR_NS,
    COLOR_TOPIC,
    CONTAINERS,
    DEPTH,
    DEPTH_NS,
    DEPTH_TOPIC,
    RANDOM,
    SECOND,
    Said,
    camera,
    compressed,
    image,
    write_bag,
)
from rgbd.errors import MediaError
from rgbd.recording.formats import open_stream, open_streams
from rgbd.recording.limits import NO_LIMITS
from rgbd.recording.ros.reader import open_ros
from rgbd.recording.stills.images import encode_image
from rgbd.recording.streams import frame_of
from rgbd.types import Frame
from tests.support.real import real_recordings


def one(tmp_path: Path, container: str, said: Said, topic: str = "/camera/image_raw") -> Frame:
    """Return the frame that a bag with one image has."""
    (stream,) = open_streams(write_bag(tmp_path, container, {topic: [said]}))
    (frame,) = stream.read()
    assert stream.size == (64, 48)
    return frame_of(frame)


def assert_frames(stream_frames: list[Frame], expected: list[Frame]) -> None:
    for frame, right in zip(stream_frames, expected, strict=True):
        assert frame.dtype == right.dtype
        np.testing.assert_array_equal(frame, right)


@pytest.mark.parametrize("container", CONTAINERS)
def test_colour_and_depth_come_bit_for_bit_with_the_times_at_which_they_were_taken(
    tmp_path: Path, container: str
) -> None:
    path = write_bag(tmp_path, container, camera())
    rgb, depth = open_stream(path, "rgb"), open_stream(path, "depth")
    assert (rgb.is_depth, rgb.size, rgb.num_frames, rgb.damage) == (False, (64, 48), 7, ())
    assert (depth.is_depth, depth.size, depth.num_frames, depth.damage) == (True, (64, 48), 5, ())
    assert_frames([frame_of(frame) for frame in rgb.read()], COLOR)
    assert_frames([frame_of(frame) for frame in depth.read([1, 4])], [DEPTH[1], DEPTH[4]])
    assert rgb.times_s == pytest.approx([(stamp - DEPTH_NS[0]) / 1e9 for stamp in COLOR_NS], abs=1e-9)
    assert depth.times_s == pytest.approx([0, 0.05, 0.1, 0.15, 0.2], abs=1e-9)


@pytest.mark.parametrize("container", ["bag", "mcap", "db3"])
@pytest.mark.parametrize(
    ("encoding", "pixels", "expected"),
    [
        ("16UC1", DEPTH[0], DEPTH[0]),
        ("mono16", DEPTH[0], DEPTH[0]),
        ("rgb8", COLOR[0], COLOR[0]),
        ("bgr8", COLOR[0], COLOR[0][:, :, ::-1]),
        ("rgba8", np.dstack([COLOR[0], DEPTH[0].astype(np.uint8)]), COLOR[0]),
        ("bgra8", np.dstack([COLOR[0][:, :, ::-1], DEPTH[0].astype(np.uint8)]), COLOR[0]),
    ],
)
def test_pixels_are_taken_as_their_encoding_says(
    tmp_path: Path, container: str, encoding: str, pixels: Frame, expected: Frame
) -> None:
    assert_frames([one(tmp_path, container, image(encoding, pixels, SECOND))], [expected])


@pytest.mark.parametrize("options", [{"padding": 6}, {"big_endian": True}, {"padding": 5, "big_endian": True}])
def test_rows_may_be_padded_and_numbers_in_either_order(tmp_path: Path, options: dict[str, int]) -> None:
    assert_frames([one(tmp_path, "bag", image("16UC1", DEPTH[1], SECOND, **options))], [DEPTH[1]])  # type: ignore[arg-type]


@pytest.mark.parametrize("container", ["bag", "db3"])
def test_metres_become_whole_millimetres_and_what_was_not_measured_0(tmp_path: Path, container: str) -> None:
    metres = np.full((48, 64), 1.2346, np.float32)
    metres[0, :7] = [np.nan, np.inf, -np.inf, -1, 0, 65.5, 100]
    expected = np.full((48, 64), 1235, np.uint16)
    expected[0, :7] = [0, 0, 0, 0, 0, 65500, 65535]
    assert_frames([one(tmp_path, container, image("32FC1", metres, SECOND))], [expected])


@pytest.mark.parametrize(
    ("encoding", "order"), [("yuv422_yuy2", "yuyv"), ("YUYV", "yuyv"), ("yuv422", "uyvy"), ("UYVY", "uyvy")]
)
def test_yuv_becomes_rgb(tmp_path: Path, encoding: str, order: str) -> None:
    # BT.601: a left half of red, and a right one of grey.
    red, grey = {"y": 81, "u": 90, "v": 240}, {"y": 126, "u": 128, "v": 128}
    pairs = [[half[letter] for letter in order] for half in (red, grey)]
    row = np.array(pairs[0] * 16 + pairs[1] * 16, np.uint8).reshape(64, 2)
    frame = one(tmp_path, "bag", image(encoding, np.stack([row] * 48), SECOND)).astype(int)
    np.testing.assert_allclose(frame[:, :32], np.broadcast_to([254, 0, 0], (48, 32, 3)), atol=2)
    np.testing.assert_allclose(frame[:, 32:], 128, atol=2)


@pytest.mark.parametrize("container", ["bag", "mcap", "db3"])
@pytest.mark.parametrize("format_", ["jpeg", "rgb8; jpeg compressed bgr8"])
def test_jpeg_is_decoded(tmp_path: Path, container: str, format_: str) -> None:
    smooth = cv2.GaussianBlur(COLOR[0], (0, 0), 8)
    frame = one(tmp_path, container, compressed(format_, encode_image(".jpg", smooth), SECOND))
    np.testing.assert_allclose(frame.astype(int), smooth.astype(int), atol=12)


def test_a_jpeg_whose_red_and_blue_changed_places_is_put_right(tmp_path: Path) -> None:
    red = np.full((48, 64, 3), (0, 0, 200), np.uint8)  # as the transport of images hands OpenCV rgb8 for bgr8
    frame = one(tmp_path, "bag", compressed("rgb8; jpeg compressed rgb8", encode_image(".jpg", red), SECOND))
    np.testing.assert_allclose(frame.astype(int), np.broadcast_to([200, 0, 0], (48, 64, 3)), atol=4)


@pytest.mark.parametrize("format_", ["png", "16UC1; png compressed "])
def test_a_png_of_16_bits_is_depth(tmp_path: Path, format_: str) -> None:
    assert_frames([one(tmp_path, "mcap", compressed(format_, encode_image(".png", DEPTH[0]), SECOND))], [DEPTH[0]])


@pytest.mark.parametrize("format_", ["16UC1; compressedDepth", "16UC1; compressedDepth png"])
def test_compressed_depth_is_a_png_behind_12_bytes(tmp_path: Path, format_: str) -> None:
    data = struct.pack("<iff", 0, 0, 0) + encode_image(".png", DEPTH[0])
    assert_frames([one(tmp_path, "bag", compressed(format_, data, SECOND))], [DEPTH[0]])


def test_compressed_depth_in_metres_is_an_inverse_that_was_quantised(tmp_path: Path) -> None:
    # depth = a / (number - b), and 0 says that nothing was measured: codec.cpp of compressed_depth_image_transport.
    numbers = np.full((48, 64), 1000, np.uint16)
    numbers[0, :3] = [0, 1, 65535]
    data = struct.pack("<iff", 1, 2000.0, -1.0) + encode_image(".png", numbers)
    expected = np.full((48, 64), round(2_000_000 / 1001), np.uint16)
    expected[0, :3] = [0, 65535, round(2_000_000 / 65536)]
    assert_frames([one(tmp_path, "mcap", compressed("32FC1; compressedDepth png", data, SECOND))], [expected])


def test_other_compressed_depth_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"compressedDepth rvl.*which is not read here"):
        one(tmp_path, "bag", compressed("16UC1; compressedDepth rvl", bytes(200), SECOND))


@pytest.mark.parametrize("container", ["bag", "bag lz4", "mcap", "mcap zstd", "db3"])
def test_no_more_is_in_memory_than_a_chunk_and_a_frame(tmp_path: Path, container: str) -> None:
    frames = [RANDOM.integers(0, 1 << 16, (480, 640), np.uint16) for _ in range(3)]
    said = [image("16UC1", frames[turn % 3], (turn + 1) * SECOND) for turn in range(40)]  # 24 MB
    path = write_bag(tmp_path, container, {DEPTH_TOPIC: said})
    tracemalloc.start()
    try:
        (stream,) = open_streams(path)
        assert sum(1 for _ in stream.read()) == 40
        assert tracemalloc.get_traced_memory()[1] < 6 << 20
    finally:
        tracemalloc.stop()


def test_only_the_frames_that_are_asked_for_are_decoded(tmp_path: Path) -> None:
    packed = [b"\x89PNG\r\n\x1a\n no image"] * 5
    packed[0], packed[3] = (encode_image(".png", DEPTH[place]) for place in (0, 3))
    said = [compressed("png", data, (turn + 1) * SECOND) for turn, data in enumerate(packed)]
    (stream,) = open_streams(write_bag(tmp_path, "mcap", {DEPTH_TOPIC: said}))
    assert_frames([frame_of(frame) for frame in stream.read([0, 3])], [DEPTH[0], DEPTH[3]])


def test_frames_are_in_the_order_in_which_they_were_taken(tmp_path: Path) -> None:
    stamps = [3 * SECOND, 1 * SECOND, 2 * SECOND]
    said = [image("16UC1", frame, stamp) for frame, stamp in zip(DEPTH, stamps, strict=False)]
    (stream,) = open_streams(write_bag(tmp_path, "bag", {DEPTH_TOPIC: said}))
    assert stream.times_s == (0, 1, 2)
    assert_frames([frame_of(frame) for frame in stream.read()], [DEPTH[1], DEPTH[2], DEPTH[0]])


@pytest.mark.parametrize("stamps", [[0, 0, 0], [5, 5, 6], [0, 1, 2]])
def test_stamps_that_tell_nothing_give_way_to_the_times_of_recording_of_all_streams(
    tmp_path: Path, stamps: list[int]
) -> None:
    said = {
        DEPTH_TOPIC: [image("16UC1", DEPTH[0], stamp * SECOND) for stamp in stamps],
        COLOR_TOPIC: [image("rgb8", COLOR[0], (9 + turn) * SECOND) for turn in range(3)],
    }
    rgb, depth = open_ros(write_bag(tmp_path, "mcap", said), NO_LIMITS)
    assert depth.times_s == pytest.approx((0, 0.002, 0.004)) and rgb.times_s == pytest.approx((0.001, 0.003, 0.005))
    assert "times of recording were used" in rgb.notes[0]


@pytest.mark.parametrize("container", ["bag", "mcap", "db3"])
def test_several_topics_of_a_kind_are_an_error_that_lists_them_unless_a_name_chooses(
    tmp_path: Path, container: str
) -> None:
    said = camera() | {"/other/color/image_raw": [image("bgr8", COLOR[3], SECOND)]}
    path = write_bag(tmp_path, container, said)
    with pytest.raises(
        MediaError, match=r"several tracks of colour: .*/camera/color/image_raw .*/other/color/image_raw .*rgb_track"
    ):
        open_stream(path, "rgb")
    rgb = open_stream(path, "rgb", track="/other/color/image_raw")
    assert_frames([frame_of(picture) for picture in rgb.read()], [COLOR[3][:, :, ::-1]])
    assert open_stream(path, "depth").num_frames == 5
    with pytest.raises(
        MediaError, match=r"no track '/nothing', but .*/camera/color/image_raw .*/other/color/image_raw"
    ):
        open_stream(path, "rgb", track="/nothing")


def test_of_a_topic_and_its_compressed_twin_the_one_as_it_came_is_meant(tmp_path: Path) -> None:
    twin = f"{COLOR_TOPIC}/compressed"
    said = camera() | {twin: [compressed("jpeg", encode_image(".jpg", COLOR[0]), SECOND)]}
    path = write_bag(tmp_path, "mcap", said)
    assert open_stream(path, "rgb").track == COLOR_TOPIC
    assert open_stream(path, "rgb", track=twin).num_frames == 1


def test_infrared_is_neither_colour_nor_depth_and_grey_is_colour_where_its_topic_says_so(tmp_path: Path) -> None:
    grey = DEPTH[2].astype(np.uint8)
    said = camera() | {
        COLOR_TOPIC: [image("mono8", grey, SECOND)],
        "/camera/infra1/image_rect_raw": [image("mono8", grey, SECOND)],
        "/camera/ir/image_raw": [image("mono16", DEPTH[2], SECOND)],
        "/device_0/sensor_0/Infrared_2/image/data": [image("16UC1", DEPTH[2], SECOND)],
        "/left/image_raw": [image("mono8", grey, SECOND)],
    }
    rgb, depth = open_streams(write_bag(tmp_path, "bag", said))
    assert_frames([frame_of(frame) for frame in rgb.read()], [np.dstack([grey] * 3)])
    assert depth.num_frames == 5


@pytest.mark.parametrize("container", ["mcap", "db3"])
def test_the_folder_that_ros_2_records_into_is_opened(tmp_path: Path, container: str) -> None:
    folder = write_bag(tmp_path, container, camera()).parent
    assert [stream.num_frames for stream in open_streams(folder)] == [7, 5]
    (folder / "recorded_1.db3").write_bytes(b"")
    with pytest.raises(MediaError, match=f"holds recorded.{container}, recorded_1.db3; give one file"):
        open_streams(folder)


@pytest.mark.parametrize("name", ["ros2_talker.mcap", "ros2_talker.db3"])
def test_a_real_file_without_images_is_refused_with_what_it_has(name: str) -> None:
    with pytest.raises(
        MediaError, match=r"no images .*, but /rosout \(rcl_interfaces/Log, 10 messages\), /topic \(std_"
    ):
        open_streams(real_recordings("cameras") / name)


def test_a_real_bag_of_a_realsense_camera_is_read() -> None:
    rgb, depth = open_streams(real_recordings("cameras") / "realsense.bag")
    (first, second), (picture,) = map(frame_of, depth.read()), map(frame_of, rgb.read())
    assert (first.dtype, first.shape, picture.shape) == (np.uint16, (480, 640), (480, 640, 3))
    # The last 614,400 bytes of the messages, as they lie in what lz4 alone unpacks.
    assert [(int(frame.max()), int(frame.sum())) for frame in (first, second)] == [(3182, 357542766), (3073, 358061319)]
    assert depth.times_s == pytest.approx((0.101566, 0.268242), abs=1e-6)
    assert picture[0, 0].tolist() == [0xAC, 0x96, 0x73]
