"""PGM and PPM images: grey of 8 or 16 bits, and colour of 8, as binary numbers (P5, P6) or as text (P2, P3).

Source: Netpbm's pgm(5) and ppm(5). Numbers of 16 bits have their most significant byte first.
"""

import re
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbd.errors import MediaError
from rgbd.recording.stills.images import ImageHeader
from rgbd.types import Frame

_HEAD_BYTES = 4096  # comments included
_GAP = rb"(?:\s|#[^\n]*\n)+"  # white space and comments
_HEAD = re.compile(rb"P([2356])" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})\s")


class _Header(NamedTuple):
    width: int
    height: int
    highest: int
    channels: int
    is_text: bool
    start: int

    @property
    def is_depth(self) -> bool:
        return self.highest > 255

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        return np.dtype(">u2" if self.is_depth else "u1")


def is_netpbm(data: bytes) -> bool:
    """Return whether an image begins as PGM and PPM do."""
    return data[:1] == b"P" and data[1:2] in (b"2", b"3", b"5", b"6") and data[2:3] in (b" ", b"\t", b"\r", b"\n", b"#")


def netpbm_header(data: bytes, name: str) -> ImageHeader:
    """Return what a PGM or PPM claims of itself; raises `MediaError` where that is no depth and no colour."""
    header = _parsed(data, name)
    return ImageHeader((header.width, header.height), header.is_depth)


def decode_netpbm(data: bytes, name: str) -> Frame:
    """Return a PGM of 16 bits as uint16 [H, W], others as uint8 RGB [H, W, 3]; raises `MediaError` where it breaks off.

    Of 16 bits, numbers are as they are, whatever the highest is said to be.
    """
    header = _parsed(data, name)
    count = header.width * header.height * header.channels
    numbers = _text(data, header, count) if header.is_text else _binary(data, header, count)
    if numbers is None or numbers.size < count or numbers.max() > header.highest:
        raise MediaError(f"{name}: the image is truncated or damaged ({len(data)} bytes); copy or write it again")
    if header.is_depth:
        return numbers.astype(np.uint16).reshape(header.height, header.width)
    image = numbers.astype(np.uint8).reshape(header.height, header.width, header.channels)
    return image if header.channels == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)


def _parsed(data: bytes, name: str) -> _Header:
    found = _HEAD.match(data[:_HEAD_BYTES])
    if found is None:
        raise MediaError(f"{name}: not a readable PGM or PPM image; convert it or copy it again")
    kind, (width, height, highest) = int(found[1]), map(int, found.groups()[1:])
    header = _Header(width, height, highest, 3 if kind in (3, 6) else 1, kind in (2, 3), found.end())
    if min(width, height) < 1 or (highest != 255 and (header.channels == 3 or not 255 < highest <= 65535)):
        raise MediaError(
            f"{name}: is a P{kind} of {width}x{height} and values up to {highest}; expected grey up to 65535, which is "
            "depth, or up to 255, or colour up to 255"
        )
    return header


def _binary(data: bytes, header: _Header, count: int) -> NDArray[np.unsignedinteger] | None:
    if len(data) - header.start < count * header.dtype.itemsize:
        return None
    return np.frombuffer(data, header.dtype, count, header.start)


def _text(data: bytes, header: _Header, count: int) -> NDArray[np.unsignedinteger] | None:
    if len(data) - header.start < 2 * count - 1:  # each has a digit, and white space before the next
        return None
    try:
        return np.array(data[header.start :].split()[:count], np.uint32)
    except (ValueError, OverflowError):
        return None
