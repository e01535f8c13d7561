"""Depth cameras by name: the sizes of their frames, and how wide each of these sees."""

import math
from dataclasses import dataclass, replace

from rgbd.camera.intrinsics import DepthCamera, pinhole
from rgbd.errors import ConfigError
from rgbd.types import Size


@dataclass(frozen=True)
class Mode:
    """Frames of some sizes with one field of view; focal_share: their focal length, as a share of the longer side."""

    focal_share: float
    sizes: tuple[Size, ...]


@dataclass(frozen=True)
class Sensor:
    """One depth camera, or several that see the same; unit_mm: how many millimetres one unit of depth mostly is."""

    name: str
    title: str
    modes: tuple[Mode, ...]
    unit_mm: float = 1.0

    def camera(self, size: Size) -> DepthCamera:
        """Return the camera in the middle of frames of this (width, height).

        Where none of its modes has this size, of the mode of the most similar shape: frames were made smaller. Upright
        frames are those of a camera that was turned.
        """
        mode = min(self.modes, key=lambda mode: _unlikeness(mode, size))
        focal = mode.focal_share * max(size)
        centre = size[0] / 2, size[1] / 2  # as Kinect SDK 1.8 has it
        return pinhole(focal, focal, *centre, name=self.title)


def _unlikeness(mode: Mode, size: Size) -> tuple[bool, float]:
    """Return whether a mode has not this size, and by how much its shape differs."""
    turned = max(size), min(size)
    ratio = turned[0] / turned[1]
    return turned not in mode.sizes, min(abs(math.log(width / height / ratio)) for width, height in mode.sizes)


_WIDE_STEREO = (  # OmniVision's 1280x800 images, 3 um and 1.93 mm
    Mode(0.5, ((1280, 720), (848, 480), (640, 360), (480, 270), (424, 240), (1280, 800))),
    Mode(0.6, ((640, 480),)),
)
_MICROSOFT_TOF = (  # 3.5 um and 1.8 mm; every mode is a part of 1024x1024
    Mode(504 / 640, ((640, 576), (320, 288))),
    Mode(504 / 1024, ((1024, 1024), (512, 512))),
)

# Focal lengths are those that devices report or that Kinect SDK 1.8 counts with (285.63 pixels of 320); the fields of
# view that makers print differ from these by up to a tenth, since they count lens distortion or leave a margin out. Of
# several with frames of one size, the first is the likeliest.
SENSORS = (
    Sensor("kinect_v2", "Kinect v2", (Mode(365.6 / 512, ((512, 424),)),)),
    Sensor("kinect_v1", "Kinect v1", (Mode(285.63 / 320, ((640, 480), (320, 240), (80, 60))),)),
    Sensor("azure_kinect", "Azure Kinect", _MICROSOFT_TOF),
    Sensor("femto", "Orbbec Femto", (*_MICROSOFT_TOF, Mode(504 / 640, ((640, 480), (320, 240))))),
    Sensor("d435", "RealSense D435", _WIDE_STEREO),
    Sensor("d455", "RealSense D455", _WIDE_STEREO),
    Sensor(
        "d415",
        "RealSense D415",
        (Mode(0.72, ((1280, 720), (848, 480), (640, 360), (480, 270), (424, 240))), Mode(0.96, ((640, 480),))),
    ),
    Sensor("sr305", "RealSense SR305", (Mode(475 / 640, ((640, 480), (640, 240))),), unit_mm=0.125),
    Sensor("l515", "RealSense L515", (Mode(0.714, ((1024, 768), (640, 480), (320, 240))),), unit_mm=0.25),
    Sensor("iphone", "iPhone or iPad with LiDAR", (Mode(0.76, ((256, 192),)),)),
    Sensor("astra", "Orbbec Astra", (Mode(570 / 640, ((640, 480), (320, 240), (160, 120))),)),
)
SENSOR_NAMES = tuple(sensor.name for sensor in SENSORS)


def camera_as_told(
    size: Size,
    name: str | None = None,
    fx: float | None = None,
    fy: float | None = None,
    cx: float | None = None,
    cy: float | None = None,
) -> DepthCamera | None:
    """Return the camera of depth frames of this (width, height) that somebody names, or whose lens they know.

    None where they do neither. fx is enough of a lens. Raises `ConfigError` for a name that is not known.
    """
    if name is not None:
        return find_sensor(name).camera(size)
    if fx is None:
        return None
    told = {"fx": fx, "fy": fy, "cx": cx, "cy": cy}
    in_words = " ".join(f"{which} {value:g}" for which, value in told.items() if value is not None)
    centre = size[0] / 2 if cx is None else cx, size[1] / 2 if cy is None else cy
    return pinhole(fx, fy or fx, *centre, name=in_words)


def find_sensor(name: str) -> Sensor:
    """Return the sensor that is called so, such as "d435" or "Kinect v2"; raises `ConfigError` for others."""
    plain = name.strip().lower().replace(" ", "_").replace("-", "_").removeprefix("realsense_").removeprefix("orbbec_")
    for sensor in SENSORS:
        if plain == sensor.name:
            return sensor
    raise ConfigError(
        f"the depth camera {name!r} is not known; choose one of {', '.join(SENSOR_NAMES)}, or give its focal length"
    )


def nominal_camera(size: Size, unit_mm: float = 1.0) -> DepthCamera:
    """Return the camera that frames of this (width, height) and unit most likely come from, and what speaks against."""
    chosen, others = _likeliest(size, unit_mm)
    frames, remedy = f"depth of {size[0]}x{size[1]}", "name it, or give its focal length"
    doubt = None
    if others is None:
        doubt = f"no camera that is known has {frames}; it was taken for {chosen.title}'s: {remedy}"
    elif others:
        titles = ", ".join(sensor.title for sensor in others)
        doubt = f"{frames} was taken for {chosen.title}'s, and may be that of another camera, {titles}: {remedy}"
    return replace(chosen.camera(size), doubt=doubt)


def _likeliest(size: Size, unit_mm: float) -> tuple[Sensor, list[Sensor] | None]:
    """Return the sensor to assume, and the others with frames of this size that see more or less of the room.

    In place of the others, None where no sensor has frames of this size.
    """
    exact = [sensor for sensor in SENSORS if any((max(size), min(size)) in mode.sizes for mode in sensor.modes)]
    if not exact:
        return min(SENSORS, key=lambda sensor: min(_unlikeness(mode, size) for mode in sensor.modes)), None
    same_unit = [sensor for sensor in exact if sensor.unit_mm == unit_mm] or exact
    chosen = same_unit[0]
    focal = abs(chosen.camera(size).slope[0])
    return chosen, [other for other in same_unit if abs(abs(other.camera(size).slope[0]) / focal - 1) > 0.05]
