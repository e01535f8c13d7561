"""What a recording of an Azure Kinect, or of Orbbec's Femto, says of its two cameras, in calibration.json.

Its numbers are shares of the image in which a camera was calibrated; frames are parts of that image, made smaller.
Source: Azure Kinect Sensor SDK, src/calibration/calibration.c and, in src/transformation, mode_specific_calibration.c,
intrinsic_transformation.c and extrinsic_transformation.c.
"""

from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rgbd.camera.calibration import Intrinsics, Pose, StreamCamera, Triple
from rgbd.recording.videos.matroska_calibration import first_fault
from rgbd.types import Size, Stream

AZURE_KINECT_UNIT_MM = 1.0
"""The unit of its depth."""

AZURE_KINECT_TAGS = "K4A_"
"""What the names of tags begin with that its recorder writes."""

_MODEL = "CALIBRATION_LensDistortionModelBrownConrady"
_LOCATIONS: dict[Stream, str] = {"rgb": "CALIBRATION_CameraLocationPV0", "depth": "CALIBRATION_CameraLocationD0"}
_MAX_BYTES = 1 << 20
_NUM_PARAMETERS = 14


class _Mode(NamedTuple):
    """Which part of a camera's image its frames are: the image's size, and where in it they begin, in pixels."""

    image: Size
    offset: tuple[int, int]


# Each size of frames is that of one mode.
_MODES: dict[Stream, dict[Size, _Mode]] = {
    "depth": {
        (320, 288): _Mode((512, 512), (96, 90)),
        (640, 576): _Mode((1024, 1024), (192, 180)),
        (512, 512): _Mode((512, 512), (0, 0)),
        (1024, 1024): _Mode((1024, 1024), (0, 0)),
    },
    "rgb": {
        (1280, 720): _Mode((1280, 960), (0, 120)),
        (1920, 1080): _Mode((1920, 1440), (0, 180)),
        (2560, 1440): _Mode((2560, 1920), (0, 240)),
        (2048, 1536): _Mode((2048, 1536), (0, 0)),
        (3840, 2160): _Mode((3840, 2880), (0, 360)),
        (4096, 3072): _Mode((4096, 3072), (0, 0)),
    },
}
_CALIBRATED_DEPTH: Size = (1024, 1024)

_Parameters = Annotated[list[float], Field(min_length=_NUM_PARAMETERS, max_length=21)]
_Nine = Annotated[list[float], Field(min_length=9, max_length=9)]


class _Part(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)


class _Lens(_Part):
    parameters: _Parameters = Field(alias="ModelParameters")
    model: str = Field(alias="ModelType")


class _Place(_Part):
    rotation: _Nine = Field(alias="Rotation")
    translation_m: Triple = Field(alias="Translation")


class _Camera(_Part):
    """lens: shares of an image of `width` and `height` pixels. place: from the first camera, that of depth, to this."""

    location: str = Field(alias="Location")
    lens: _Lens = Field(alias="Intrinsics")
    place: _Place = Field(alias="Rt")
    width: int = Field(alias="SensorWidth")
    height: int = Field(alias="SensorHeight")


class _Information(_Part):
    cameras: Annotated[list[_Camera], Field(max_length=16)] = Field(alias="Cameras")


class _File(_Part):
    information: _Information = Field(alias="CalibrationInformation")


class AzureKinectCalibration:
    """The cameras of a calibration.json; raises `ValueError`, with the reason, for what cannot be read as one."""

    def __init__(self, data: bytes) -> None:
        if len(data) > _MAX_BYTES:
            raise ValueError(f"it has {len(data)} bytes")
        try:
            cameras = _File.model_validate_json(data).information.cameras
        except ValidationError as error:
            raise ValueError(first_fault(error)) from error
        self._cameras = {camera.location: camera for camera in cameras}

    def camera(self, stream: Stream, size: Size) -> tuple[StreamCamera, tuple[str, ...]]:
        """Return the camera of a stream with frames of this size, and in words what is not known of it."""
        camera = self._cameras.get(_LOCATIONS[stream])
        if camera is None:
            return StreamCamera(), (f"calibration.json has no {_LOCATIONS[stream]}, so that this camera is not known",)
        notes = []
        lens = _intrinsics(camera, stream, size)
        if isinstance(lens, str):
            notes.append(f"calibration.json does not tell the lens of {stream}: {lens}")
        way = Pose.of_matrix(camera.place.rotation, camera.place.translation_m)
        if way is None:
            notes.append(f"calibration.json has a place of {stream}'s camera that cannot be, which is left out")
        known = lens if isinstance(lens, Intrinsics) else None
        return StreamCamera(known, "calibration.json", way and way.inverse()), tuple(notes)


def _intrinsics(camera: _Camera, stream: Stream, size: Size) -> Intrinsics | str:
    """Return a camera's lens in pixels of frames of this size, or why it is not known."""
    mode = _MODES[stream].get(size)
    if mode is None:
        return f"no mode has frames of {size[0]}x{size[1]}"
    shares = _shares(camera, stream)
    if isinstance(shares, str):
        return shares
    (cx, fx), (cy, fy) = (
        # Shares count from the corner of the first pixel, the result from its middle.
        (centre * image - offset - 0.5, focal * image)
        for (centre, focal), image, offset in zip(shares, mode.image, mode.offset, strict=True)
    )
    k1, k2, k3, k4, k5, k6, codx, cody, p2, p1 = camera.lens.parameters[4:_NUM_PARAMETERS]
    if camera.lens.model != _MODEL or codx or cody:
        return f"its distortion ({camera.lens.model[:80]}) is one of early devices, which is not read here"
    lens = Intrinsics(size, fx, fy, cx, cy, "rational_polynomial", (k1, k2, p1, p2, k3, k4, k5, k6))
    return lens if lens.can_be else "its numbers cannot be"


def _shares(camera: _Camera, stream: Stream) -> tuple[tuple[float, float], tuple[float, float]] | str:
    """Return (centre, focal length) across and down as shares of the whole sensor, or why they are not known."""
    cx, cy, fx, fy = camera.lens.parameters[:4]
    width, height = camera.width, camera.height
    odd = f"it was calibrated in an image of {width}x{height}"
    if stream == "depth":
        return ((cx, fx), (cy, fy)) if (width, height) == _CALIBRATED_DEPTH else odd
    if width > 0 and width * 3 == height * 4:
        return (cx, fx), (cy, fy)
    if width > 0 and width * 9 == height * 16:  # of older devices: the middle three quarters of the sensor
        return (cx, fx), (cy * 0.75 + 0.125, fy * 0.75)
    return odd
