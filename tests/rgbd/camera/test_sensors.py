"""Depth cameras by name and by the size of their frames."""

import math

import pytest

from rgbd.camera.sensors import SENSORS, find_sensor, nominal_camera
from rgbd.errors import ConfigError

# Fields of view across, in degrees, by which a frame of this size is seen, and how far calibrations may lie from it.
KNOWN = [
    ("kinect_v1", (640, 480), 57, 2),
    ("kinect_v2", (512, 424), 70.6, 1),
    ("azure_kinect", (640, 576), 65, 1),
    ("azure_kinect", (512, 512), 91, 1),
    ("femto", (320, 288), 65, 1),
    ("d435", (848, 480), 90, 3),
    ("d435", (640, 480), 79, 4),
    ("d455", (1280, 720), 90, 3),
    ("d415", (1280, 720), 69, 4),
    ("sr305", (640, 480), 68, 2),
    ("l515", (1024, 768), 70, 1),
    ("iphone", (256, 192), 66, 4),
    ("astra", (640, 480), 58.6, 2),
]


@pytest.mark.parametrize(("name", "size", "field_deg", "tolerance_deg"), KNOWN)
def test_fields_of_view_are_those_of_devices(
    name: str, size: tuple[int, int], field_deg: float, tolerance_deg: float
) -> None:
    camera = find_sensor(name).camera(size)
    across = 2 * math.degrees(math.atan(size[0] / 2 / camera.slope[0]))
    assert across == pytest.approx(field_deg, abs=tolerance_deg)
    assert camera.slope[1] == -camera.slope[0]
    assert camera.centre.tolist() == [size[0] / 2, size[1] / 2]


def test_every_sensor_is_known_by_its_name_and_title() -> None:
    assert len({sensor.name for sensor in SENSORS}) == len(SENSORS)
    for sensor in SENSORS:
        assert find_sensor(sensor.name) is sensor
    for name, sensor_name in (("Kinect v2", "kinect_v2"), ("RealSense D435", "d435"), ("Azure-Kinect", "azure_kinect")):
        assert find_sensor(name).name == sensor_name
    with pytest.raises(ConfigError, match="'zed' is not known; choose one of kinect_v2"):
        find_sensor("zed")


@pytest.mark.parametrize(
    ("size", "unit_mm", "name", "others"),
    [
        ((512, 424), 1.0, "kinect_v2", None),
        ((640, 576), 1.0, "azure_kinect", None),  # Orbbec's has the same
        ((848, 480), 1.0, "d435", "RealSense D415"),
        ((640, 480), 1.0, "kinect_v1", "Orbbec Femto, RealSense D435, RealSense D455, RealSense D415"),
        ((640, 480), 0.125, "sr305", None),
        ((640, 480), 0.25, "l515", None),
        ((192, 256), 1.0, "iphone", None),
    ],
)
def test_the_likeliest_camera_is_taken_by_size_and_unit_and_others_are_named(
    size: tuple[int, int], unit_mm: float, name: str, others: str | None
) -> None:
    assert nominal_camera(size, unit_mm).slope.tolist() == find_sensor(name).camera(size).slope.tolist()
    reason = nominal_camera(size, unit_mm).doubt
    assert reason is None if others is None else reason is not None and others in reason


def test_smaller_frames_are_taken_for_those_of_their_shape() -> None:
    assert nominal_camera((128, 106)).slope[0] == pytest.approx(365.6 / 4)
    assert nominal_camera((320, 180)).slope[0] == pytest.approx(160)  # a D435's
    reason = nominal_camera((128, 106)).doubt or ""
    assert reason.startswith("no camera that is known has depth of 128x106; it was taken for Kinect v2's")
