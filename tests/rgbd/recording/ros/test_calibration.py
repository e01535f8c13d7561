"""What a bag says of its cameras: lenses, the way from one to the other, and the unit of depth."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmarks.support.ros_bags import (
    COLOR,
    CONTAINERS,
    DEPTH,
    SECOND,
    Said,
    camera_info,
    image,
    transform,
    tree,
    write_bag,
)
from rgbd.camera.calibration import Intrinsics, Pose, StreamCamera
from rgbd.recording.formats import open_streams
from rgbd.recording.tracks import choose_tracks
from tests.support.real import real_recordings

DEPTH_K, COLOR_K = (50.5, 0, 31.25, 0, 51, 23.5, 0, 0, 1), (60.0, 0, 33, 0, 61, 22, 0, 0, 1)
DEPTH_LENS = Intrinsics((64, 48), 50.5, 51, 31.25, 23.5, "plumb_bob", (0.1, -0.2, 0.001, 0.002, 0.03))
COLOR_LENS = Intrinsics((64, 48), 60, 61, 33, 22, "rational_polynomial", tuple(0.01 * number for number in range(8)))
INFO = {
    "depth": camera_info((64, 48), DEPTH_K, DEPTH_LENS.model, DEPTH_LENS.distortion),
    "color": camera_info((64, 48), COLOR_K, COLOR_LENS.model, COLOR_LENS.distortion),
}
# Where frames of reference lie in each other: turns of 5 to 90 degrees, and some centimetres.
BODY, DEPTH_OPTICAL, COLOR_OPTICAL = (
    ((0.01, 0.2, -0.3), Rotation.from_euler("xyz", (5, -10, 20), degrees=True)),
    ((0, 0.018, 0), Rotation.from_euler("xyz", (-90, 0, -90), degrees=True)),
    ((0.002, -0.032, 0.001), Rotation.from_euler("xyz", (-89, 1, -90), degrees=True)),
)
Place = tuple[tuple[float, float, float], Rotation]


class Calibration(NamedTuple):
    depth: Intrinsics | None
    color: Intrinsics | None
    depth_to_color: Pose | None
    depth_unit_mm: float | None


def calibration_of(path: Path) -> Calibration:
    streams = choose_tracks(open_streams(path), ["rgb", "depth"], {})
    color, depth = (streams[stream].camera if stream in streams else StreamCamera() for stream in ("rgb", "depth"))
    return Calibration(depth.intrinsics, color.intrinsics, depth.pose_to(color), streams["depth"].unit_mm)


def said(place: Place) -> Said:
    return transform(place[0], place[1].as_quat().tolist())


def images(depth: Said | None = None) -> dict[str, list[Said]]:
    return {
        "/camera/depth/image_rect_raw": [depth or image("16UC1", DEPTH[0], SECOND, frame="depth_optical")],
        "/camera/color/image_raw": [image("rgb8", COLOR[0], SECOND, frame="color_optical")],
    }


def infos() -> dict[str, list[Said]]:
    return {f"/camera/{name}/camera_info": [info] * 3 for name, info in INFO.items()}


@pytest.mark.parametrize("container", CONTAINERS)
def test_lenses_and_the_way_from_depth_to_colour(tmp_path: Path, container: str) -> None:
    static = tree(
        ("base", "camera_link", said(BODY)),
        ("camera_link", "depth_optical", said(DEPTH_OPTICAL)),
        ("camera_link", "color_optical", said(COLOR_OPTICAL)),
        ("base", "gripper", said(BODY)),
    )
    found = calibration_of(write_bag(tmp_path, container, images() | infos() | {"/tf_static": [static]}))
    assert (found.depth, found.color, found.depth_unit_mm) == (DEPTH_LENS, COLOR_LENS, None)
    places = np.array([[0, 0, 1.0], [0.5, -0.3, 2], [-1, 0.2, 4]])
    in_link = DEPTH_OPTICAL[1].apply(places) + np.array(DEPTH_OPTICAL[0])
    expected = COLOR_OPTICAL[1].inv().apply(in_link - np.array(COLOR_OPTICAL[0]))
    assert found.depth_to_color is not None
    np.testing.assert_allclose(found.depth_to_color.apply(places), expected, atol=1e-12)
    np.testing.assert_allclose(found.depth_to_color.inverse().apply(expected), places, atol=1e-12)


def test_frames_of_reference_that_do_not_meet_say_nothing(tmp_path: Path) -> None:
    apart = tree(("left", "depth_optical", said(BODY)), ("right", "color_optical", said(BODY)))
    found = calibration_of(write_bag(tmp_path, "bag", images() | {"/tf_static": [apart]}))
    assert found.depth_to_color is None


def test_frames_of_reference_in_a_circle_end(tmp_path: Path) -> None:
    circle = tree(("b", "depth_optical", said(BODY)), ("depth_optical", "b", said(BODY)))
    assert calibration_of(write_bag(tmp_path, "mcap", images() | {"/tf": [circle]})).depth_to_color is None


def test_frames_that_were_rectified_have_the_lens_of_their_projection(tmp_path: Path) -> None:
    projection = (48.0, 0, 30, 0, 0, 49, 22, 0, 0, 0, 1, 0)
    info = {
        f"/camera/{name}/camera_info": [camera_info((64, 48), DEPTH_K, "plumb_bob", DEPTH_LENS.distortion, projection)]
        for name in ("depth", "color")
    }
    found = calibration_of(write_bag(tmp_path, "mcap", images() | info))
    assert found.depth == Intrinsics((64, 48), 48, 49, 30, 22)  # of image_rect_raw
    assert found.color == DEPTH_LENS  # of image_raw


def test_depth_aligned_to_colour_lies_on_it(tmp_path: Path) -> None:
    depth = image("16UC1", DEPTH[0], SECOND, frame="color_optical")
    found = calibration_of(write_bag(tmp_path, "mcap", images(depth)))
    assert found.depth_to_color == Pose(((1, 0, 0), (0, 1, 0), (0, 0, 1)), (0, 0, 0))


@pytest.mark.parametrize("matrix", [(0,) * 9, (np.nan, 0, 3, 0, 5, 6, 0, 0, 1), (1e300,) * 9])
def test_a_lens_that_was_not_calibrated_says_nothing(tmp_path: Path, matrix: tuple[float, ...]) -> None:
    blank = {"/camera/depth/camera_info": [camera_info((64, 48), matrix, "plumb_bob", ())]}
    assert calibration_of(write_bag(tmp_path, "bag", images() | blank)).depth is None


def test_depth_in_metres_is_read_in_millimetres(tmp_path: Path) -> None:
    metres = image("32FC1", np.full((48, 64), 1.5, np.float32), SECOND)
    assert calibration_of(write_bag(tmp_path, "mcap", images(metres))).depth_unit_mm == 1


@pytest.mark.parametrize("turn", [transform((0, 0, 0), (1e300,) * 4), transform((1e300, 0, 0), (0, 0, 0, 1))])
def test_places_where_nothing_can_be_say_nothing(tmp_path: Path, turn: Said) -> None:
    broken = tree(("link", "depth_optical", turn), ("link", "color_optical", said(BODY)))
    assert calibration_of(write_bag(tmp_path, "bag", images() | {"/tf": [broken]})).depth_to_color is None


@pytest.mark.parametrize("unit_m", [0.0, -0.001, np.nan, 1e30])
def test_a_unit_that_no_camera_has_says_nothing(tmp_path: Path, unit_m: float) -> None:
    topics = {
        "/device_0/sensor_0/Depth_0/image/data": [image("mono16", DEPTH[0], SECOND)],
        "/device_0/sensor_0/option/Depth_Units/value": [("std_msgs/msg/Float32", {"data": unit_m})],
    }
    assert calibration_of(write_bag(tmp_path, "bag", topics)).depth_unit_mm is None


@pytest.mark.parametrize("container", ["bag", "db3"])
def test_a_recording_of_a_realsense_camera_says_its_unit_and_extrinsics(tmp_path: Path, container: str) -> None:
    depth, color = "/device_0/sensor_0/Depth_0", "/device_0/sensor_1/Color_0"
    topics = {
        f"{depth}/image/data": [image("mono16", DEPTH[0], SECOND)],
        f"{color}/image/data": [image("rgb8", COLOR[0], SECOND)],
        f"{depth}/info/camera_info": [INFO["depth"]],
        f"{color}/info/camera_info": [INFO["color"]],
        f"{depth}/tf/0": [said(DEPTH_OPTICAL)],
        f"{color}/tf/0": [said(COLOR_OPTICAL)],
        "/device_0/sensor_0/option/Depth Units/value": [("std_msgs/msg/Float32", {"data": 0.00025})],
        "/device_0/sensor_1/option/Gain/value": [("std_msgs/msg/Float32", {"data": 64.0})],
    }
    found = calibration_of(write_bag(tmp_path, container, topics))
    assert (found.depth, found.color, found.depth_unit_mm) == (DEPTH_LENS, COLOR_LENS, 0.25)
    place = np.array([[0.3, 0.1, 2.0]])
    in_reference = DEPTH_OPTICAL[1].inv().apply(place - np.array(DEPTH_OPTICAL[0]))
    assert found.depth_to_color is not None
    expected = COLOR_OPTICAL[1].apply(in_reference) + np.array(COLOR_OPTICAL[0])
    np.testing.assert_allclose(found.depth_to_color.apply(place), expected, atol=1e-12)


def test_a_real_bag_of_a_d435() -> None:
    found = calibration_of(real_recordings("cameras") / "realsense.bag")
    assert found.depth is not None and found.color is not None and found.depth_to_color is not None
    assert (found.depth.fx, found.depth.cx, found.color.fx) == pytest.approx((390.431458, 331.387878, 613.203674))
    # The lens of colour lies 1.5 cm to the left of that of depth, as the data sheet of the D435 has it.
    assert found.depth_to_color.translation_m == pytest.approx((0.0143113, 0.0006023, 0.0006108), abs=1e-6)
    assert found.depth_unit_mm == 1
