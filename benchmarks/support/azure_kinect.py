"""Recordings as the Azure Kinect's recorder writes them, by PyAV.

Source: Azure Kinect Sensor SDK, src/record/sdk/record.cpp.
"""

import io
import json
import struct
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from rgbd.types import Frame, Size

# Of a device of which somebody has published both calibration.json and what the SDK makes of it.
# Source: github.com/panispani/3DReconstruct, pointCloudGen/calib.md.
DEPTH_PARAMETERS = [
    *(0.5122697949409485, 0.49451231956481934, 0.4921168386936188, 0.4921667277812958),
    *(3.1305770874023438, 2.324939012527466, 0.1304156482219696),
    *(3.458651542663574, 3.350114583969116, 0.6629416346549988),
    *(0, 0, -0.0000511557373101823, 0.00008132171933539212),
]
COLOR_PARAMETERS = [
    *(0.4967627227306366, 0.5108628273010254, 0.470907062292099, 0.6274453997612),
    *(0.7227460145950317, -2.8855903148651123, 1.6327226161956787),
    *(0.6021990180015564, -2.7196261882781982, 1.565053105354309),
    *(0, 0, -0.0001431911930953093, 0.0007828465895727277),
]
# A tilt of 6 degrees, and 3.2 cm to the side.
TILT = [1.0, 0.0, 0.0, 0.0, 0.9945218953682733, 0.10452846326765347, 0.0, -0.10452846326765347, 0.9945218953682733]
TRANSLATION_M = [-0.032, -0.002, 0.004]


# How each is stored: codec, pixels there, pixels as they are given.
_COLORS = {
    "MJPG": ("mjpeg", "yuvj444p", "rgb24"),
    "NV12": ("rawvideo", "nv12", "rgb24"),
    "YUY2": ("rawvideo", "yuyv422", "rgb24"),
    "BGRA": ("rawvideo", "bgra", "rgb24"),
}
_DEPTH = ("rawvideo", "gray16be", "gray16le")


def camera(location: str, parameters: Sequence[float], size: Size, **changes: Any) -> dict[str, Any]:
    """Return a camera of calibration.json; `changes` are of its fields."""
    is_color = location == "PV0"
    return {
        "Intrinsics": {
            "ModelParameterCount": 14,
            "ModelParameters": parameters,
            "ModelType": "CALIBRATION_LensDistortionModelBrownConrady",
        },
        "Location": f"CALIBRATION_CameraLocation{location}",
        "Purpose": f"CALIBRATION_CameraPurpose{'PhotoVideo' if is_color else 'Depth'}",
        "MetricRadius": 0 if is_color else 1.74,
        "Rt": {
            "Rotation": TILT if is_color else [1, 0, 0, 0, 1, 0, 0, 0, 1],
            "Translation": TRANSLATION_M if is_color else [0, 0, 0],
        },
        "SensorWidth": size[0],
        "SensorHeight": size[1],
    } | changes


def calibration(*cameras: Mapping[str, Any]) -> bytes:
    """Return calibration.json of these cameras; by default of a device's two."""
    both = camera("D0", DEPTH_PARAMETERS, (1024, 1024)), camera("PV0", COLOR_PARAMETERS, (4096, 3072))
    return json.dumps({"CalibrationInformation": {"Cameras": cameras or both, "InertialSensors": []}}).encode()


def write_azure_kinect(
    path: Path, streams: Mapping[str, Sequence[Frame]], attached: bytes | None = None, **said: Any
) -> None:
    """Write what `azure_kinect` returns."""
    path.write_bytes(azure_kinect(streams, attached, **said))


def azure_kinect(
    streams: Mapping[str, Sequence[Frame]],
    attached: bytes | None = None,
    *,
    fps: int = 30,
    color: str = "MJPG",
    name: str = "calibration.json",
    titles: Mapping[str, str] | None = None,
    is_killed: bool = False,
) -> bytes:
    """Return a file of COLOR, DEPTH and IR, as far as they are there and in this order.

    attached: calibration.json. color: its format. titles: of tracks, where another recorder calls them otherwise and
    sets no tags. is_killed: whether it has no index and no length, because nobody ended it.
    """
    target: Any = _Pipe() if is_killed else io.BytesIO()
    layouts = {"COLOR": _COLORS[color], "DEPTH": _DEPTH, "IR": _DEPTH}
    with av.open(target, "w", format="matroska", options={"allow_raw_vfw": "1", "write_crc32": "0"}) as container:
        if attached is not None:
            attachment = container.add_attachment(name, "application/octet-stream", attached)
            attachment.metadata["K4A_CALIBRATION_FILE"] = name
        tracks = {kind: _track(container, layouts[kind], frames[0], fps) for kind, frames in streams.items()}
        for kind, track in tracks.items():
            track.metadata.update(_tags(kind) if titles is None else {"title": titles[kind]})
        for index in range(max(map(len, streams.values()))):
            for kind, track in tracks.items():
                if index < len(streams[kind]):
                    picture = av.VideoFrame.from_ndarray(streams[kind][index], format=layouts[kind][2])
                    picture = picture.reformat(format=layouts[kind][1])
                    picture.pts, picture.time_base = index, Fraction(1, fps)
                    container.mux(track.encode(picture))
        for track in tracks.values():
            container.mux(track.encode())
    content: bytes = target.getvalue()
    for kind, frames in streams.items():
        if layouts[kind][0] == "rawvideo":
            content = _named(content, frames[0], color if kind == "COLOR" else "b16g")
    return content


class _Pipe:
    """What takes bytes one after the other, and cannot go back."""

    def __init__(self) -> None:
        self._whole = io.BytesIO()

    def write(self, data: bytes) -> int:
        return self._whole.write(data)

    def getvalue(self) -> bytes:
        return self._whole.getvalue()


def _track(container: av.container.OutputContainer, layout: tuple[str, str, str], frame: Frame, fps: int) -> Any:
    track: Any = container.add_stream(layout[0], rate=fps)  # PyAV's type covers every kind of stream
    track.height, track.width = frame.shape[:2]
    track.pix_fmt = layout[1]
    return track


def _tags(kind: str) -> dict[str, str]:
    return {"title": kind, f"K4A_{kind}_TRACK": "100"}


def _named(content: bytes, frame: Frame, name: str) -> bytes:
    """Return a file in whose header raw frames of this size are called so: FFmpeg knows no name for all of them.

    Such a track is V_MS/VFW/FOURCC, whose header is that of a bitmap: size, width, height, planes, bits, name.
    """
    height, width = frame.shape[:2]
    unnamed, named = (struct.pack("<IiiH", 40, width, sign * height, 1) for sign in (-1, 1))
    first, *others = content.split(unnamed)
    return first + b"".join(named + part[:2] + name.encode() + part[6:] for part in others)
