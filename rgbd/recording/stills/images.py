"""Read and write JPEG and 16-bit PNG."""

import math
import struct
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from rgbd.errors import MediaError
from rgbd.recording.archive import is_bomb
from rgbd.types import Frame, Size

try:  # half of OpenCV's time for 16-bit PNG, which is what preprocessing spends most on
    from kornia_rs import io as fast_png
except ImportError:
    fast_png = None  # type: ignore[assignment]

_JPEG, _PNG = b"\xff\xd8", b"\x89PNG"


class ImageHeader(NamedTuple):
    """What an image file claims of itself: its pixels may take a thousand times its bytes.

    is_metres: whether depth is floating-point metres, and not whole numbers of 16 bits.
    """

    size: Size
    is_depth: bool
    is_metres: bool = False


def image_header(data: bytes, name: str) -> ImageHeader:
    """Return what an image claims of itself; raises `MediaError`, naming `name`, where it is no JPEG or PNG."""
    if data.startswith(_PNG) and len(data) >= 26:
        return ImageHeader(_png_size(data), _is_grey16_png(data))
    position = 2
    while data.startswith(_JPEG) and position + 9 <= len(data):
        marker, length = struct.unpack_from(">xBH", data, position)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # the start of a frame, and not of a table
            height, width = struct.unpack_from(">HH", data, position + 5)
            return ImageHeader((width, height), is_depth=False)
        position += 1 if marker == 0xFF else 2 + length  # any number of 0xFF may fill the space between segments
    raise MediaError(f"{name}: not a readable JPEG or PNG image; convert it or copy it again")


def decode_image(data: bytes, name: str) -> Frame:
    """Decode one JPEG or PNG held in memory.

    Returns uint16 [H, W] for a 16-bit one-channel image, uint8 RGB [H, W, 3] for anything else.
    Raises `MediaError`, naming `name`, when the data is damaged or not an image.
    """
    if data.startswith(_JPEG):
        return _decode_jpeg(data, name)
    if data.startswith(_PNG) and b"IEND" not in data[-64:]:  # some writers pad behind it
        # OpenCV fills the missing part with black and only warns.
        raise MediaError(f"{name}: the image is truncated ({len(data)} bytes); copy or write it again")
    if data.startswith(_PNG) and is_bomb(math.prod(size := _png_size(data)), len(data)):
        # The libraries ask for that memory at once; one panics without it.
        raise MediaError(
            f"{name}: claims to have {size[0]}x{size[1]} pixels in {len(data)} bytes; copy or write it again"
        )
    if _is_grey16_png(data):
        return _decode_grey16_png(data, name)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        raise MediaError(f"{name}: not a readable JPEG or PNG image; convert it or copy it again")
    if image.dtype == np.uint16:
        channels = image.shape[2] if image.ndim == 3 else 1
        raise MediaError(f"{name}: 16-bit images must be PNG of one channel (millimetres), this has {channels}")
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)
    return cv2.cvtColor(image[:, :, :3], cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def _decode_jpeg(data: bytes, name: str) -> NDArray[np.uint8]:
    try:
        # As it lies in the file: of a clip all frames are turned, or none. OpenCV gives the same pixels, and where some
        # are missing or made up it only warns.
        return np.asarray(simplejpeg.decode_jpeg(data, "RGB", strict=True), np.uint8)
    except ValueError as error:
        raise MediaError(f"{name}: the JPEG image is damaged ({error}); copy or write it again") from error


def _png_size(data: bytes) -> Size:
    width, height = struct.unpack(">II", data[16:24].ljust(8, b"\0"))
    return width, height


def _is_grey16_png(data: bytes) -> bool:
    # Bytes 24 and 25 of a PNG file are the bit depth and the colour type; 0 is grey.
    return data.startswith(_PNG) and data[24:26] == b"\x10\x00"


def _decode_grey16_png(data: bytes, name: str) -> NDArray[np.uint16]:
    if fast_png is None:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise MediaError(f"{name}: not a readable 16-bit PNG; copy or write it again")
        return image.astype(np.uint16, copy=False)
    width, height = _png_size(data)
    try:
        image = fast_png.decode_image_png_u16(data, (height, width), "mono")
    except Exception as error:  # the library raises nothing more specific
        raise MediaError(f"{name}: not a readable 16-bit PNG ({error}); copy or write it again") from error
    return np.asarray(image, np.uint16)[:, :, 0]


def read_image(path: Path) -> Frame:
    """Read one JPEG or PNG file; see `decode_image` for what comes back and what is refused."""
    return decode_image(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """Return a file's content; raises `MediaError` where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise MediaError(f"{path}: cannot be read ({error.strerror}); check the path") from error


def write_image(path: Path, image: Frame, *, jpeg_quality: int = 95) -> None:
    """Write uint8 RGB [H, W, 3] (or uint8 grey [H, W]), or uint16 [H, W] as PNG; the format follows the suffix."""
    path.write_bytes(encode_image(path.suffix, image, jpeg_quality=jpeg_quality))


def encode_image(suffix: str, image: Frame, *, jpeg_quality: int = 95) -> bytes:
    """Return an image as the content of a file with this suffix, .jpg or .png; see `write_image`.

    Raises `MediaError` when it is too large for such a file: a JPEG may have 65,500 pixels in width and height.
    """
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    options = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality] if suffix == ".jpg" else _PNG_OPTIONS
    encoded, data = cv2.imencode(suffix, bgr, options)
    if not encoded:
        height, width = image.shape[:2]
        raise MediaError(f"a picture of {width}x{height} does not go into a {suffix} file; scale it down")
    return data.tobytes()


# For depth: two thirds of the time of zlib's usual search for repetitions, to write and to read, and smaller files.
_PNG_OPTIONS = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
_PNG_OPTIONS += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
