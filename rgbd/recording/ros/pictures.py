"""Images of ROS -> frames.

Sources: REP 118 (16UC1 is millimetres, 32FC1 metres), sensor_msgs/image_encodings.h, and the codecs of
compressed_image_transport and compressed_depth_image_transport.
"""

import re
import struct
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbd.errors import MediaError
from rgbd.recording.limits import Limits
from rgbd.recording.ros.messages import ImageHead
from rgbd.recording.ros.orbbec import is_infrared
from rgbd.recording.stills.images import decode_image, image_header
from rgbd.types import Depth, Frame, Size, Stream

DEPTH_UNIT_MM = 1.0
"""Of depth as it is read here, unless the file says otherwise; metres are rounded to it."""

_DEPTH: dict[str, np.dtype[Any]] = {
    **dict.fromkeys(("16UC1", "mono16", "Z16", "z16"), np.dtype(np.uint16)),  # the last two are Orbbec's
    "32FC1": np.dtype(np.float32),
}
_GREY = ("mono8", "8UC1")
# Bytes of a pixel, and how OpenCV calls the way to RGB; None where it is RGB. Names in capitals are RealSense's.
_COLORS: dict[str, tuple[int, int | None]] = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    **dict.fromkeys(_GREY, (1, cv2.COLOR_GRAY2RGB)),
    **dict.fromkeys(("yuv422_yuy2", "yuyv", "YUYV"), (2, cv2.COLOR_YUV2RGB_YUY2)),
    **dict.fromkeys(("yuv422", "uyvy", "UYVY"), (2, cv2.COLOR_YUV2RGB_UYVY)),
}
_JPEG = ("MJPG", "mjpg")  # in an Image, as Orbbec's recorder writes colour
_INFRARED = re.compile(r"(^|[/_])(ir|infra\w*)\d?([/_]|$)", re.IGNORECASE)
_CALLED_COLOR = re.compile(r"rgb|colou?r", re.IGNORECASE)

_COMPRESSED_DEPTH = "compressedDepth"
_DEPTH_CONFIG = struct.Struct("<iff")  # before the image: a number nobody uses, and how inverse depth was quantised


def stream_of(topic: str, head: ImageHead, data: bytes | None) -> Stream | None:
    """Return what the images of a topic are: colour, depth, or neither; `data`: of a compressed one, the image.

    Infrared has the encodings of either: its topic says so. Grey is colour where its topic says that.
    """
    if _INFRARED.search(topic) or is_infrared(topic):
        return None
    encoding = head.encoding if data is None else head.encoding.split(";")[0].strip()
    if encoding in _GREY:
        return "rgb" if _CALLED_COLOR.search(topic) else None
    if data is None:
        return "depth" if encoding in _DEPTH else "rgb" if encoding in _COLORS or encoding in _JPEG else None
    if _COMPRESSED_DEPTH in head.encoding:
        return "depth"
    try:
        return "depth" if image_header(data, topic).is_depth else "rgb"
    except MediaError:
        return None


def size_of(head: ImageHead, data: bytes | None, name: str) -> Size:
    """Return the (width, height) that an image claims; raises `MediaError` where it is none."""
    if data is None:
        return head.size
    return image_header(_png_of_depth(head, data, name) if _COMPRESSED_DEPTH in head.encoding else data, name).size


def frame_of_image(head: ImageHead, data: bytes, name: str, limits: Limits) -> Frame:
    """Return the frame of a sensor_msgs/Image; raises `MediaError`, naming `name`, for one that is damaged."""
    (width, height), encoding = head.size, head.encoding
    limits.check_pixels(width, height)
    if encoding in _JPEG:
        limits.check_pixels(*image_header(data, name).size)
        return decode_image(data, name)
    depth, (pixel_bytes, code) = _DEPTH.get(encoding), _COLORS.get(encoding, (0, None))
    row_bytes = width * (depth.itemsize if depth else pixel_bytes)
    if not row_bytes or not height or head.step < row_bytes or len(data) < head.step * height:
        raise MediaError(
            f"{name}: says that it is {encoding} of {width}x{height} in rows of {head.step} bytes, and has {len(data)} "
            "bytes; copy or record it again"
        )
    rows = np.frombuffer(data, np.uint8, head.step * height).reshape(height, head.step)[:, :row_bytes]
    if depth is not None:
        numbers = np.ascontiguousarray(rows).view(depth.newbyteorder(">" if head.is_big_endian else "<"))
        return _in_units(numbers) if depth.kind == "f" else numbers.astype(np.uint16)
    if pixel_bytes == 2 and width % 2:
        raise MediaError(f"{name}: is {encoding} of {width} columns, which come in pairs; copy or record it again")
    pixels = np.ascontiguousarray(rows).reshape(height, width, pixel_bytes)
    return pixels if code is None else cv2.cvtColor(pixels, code).astype(np.uint8, copy=False)


def frame_of_compressed(head: ImageHead, data: bytes, name: str, limits: Limits) -> Frame:
    """Return the frame of a sensor_msgs/CompressedImage; raises `MediaError`, naming `name`, for a damaged one."""
    if _COMPRESSED_DEPTH in head.encoding:
        return _compressed_depth(head, data, name, limits)
    limits.check_pixels(*image_header(data, name).size)
    frame = decode_image(data, name)
    # Which says that red and blue changed places before the image was made.
    return frame[:, :, ::-1] if frame.ndim == 3 and re.search(r"compressed\s+rgb", head.encoding) else frame


def _png_of_depth(head: ImageHead, data: bytes, name: str) -> bytes:
    if len(data) < _DEPTH_CONFIG.size or "rvl" in head.encoding:
        raise MediaError(f"{name}: is {head.encoding!r}, which is not read here; record it as png, or not compressed")
    return data[_DEPTH_CONFIG.size :]


def _compressed_depth(head: ImageHead, data: bytes, name: str, limits: Limits) -> Depth:
    png = _png_of_depth(head, data, name)
    _, nearest, offset = _DEPTH_CONFIG.unpack_from(data)
    limits.check_pixels(*image_header(png, name).size)
    frame = decode_image(png, name)
    if frame.ndim != 2:
        raise MediaError(f"{name}: is depth of 8 bits; record it with 16")
    if not head.encoding.startswith("32FC1"):
        return frame.astype(np.uint16, copy=False)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        metres = np.float32(nearest) / (frame.astype(np.float32) - np.float32(offset))
    return _in_units(np.where(frame > 0, metres, np.float32(0)))


def _in_units(metres: NDArray[np.float32]) -> Depth:
    """Return depth in metres in whole units; 0 where nothing was measured: NaN, infinity, and what is not in front."""
    with np.errstate(invalid="ignore", over="ignore"):
        units = np.rint(metres.astype(np.float64) * (1000 / DEPTH_UNIT_MM))
    return np.where(np.isfinite(units) & (units > 0), np.minimum(units, np.iinfo(np.uint16).max), 0).astype(np.uint16)
