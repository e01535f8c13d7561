"""The few messages of ROS that are read here, taken from their bytes, as ROS 1 and ROS 2 (CDR) pack them.

Sources: the definitions of sensor_msgs, std_msgs, geometry_msgs and tf2_msgs; OMG's CDR, in its plain form.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from rgbd.recording.ros.container import BrokenError
from rgbd.types import Size

HEAD_BYTES = 1024
"""Of an image: more than all that stands before its pixels."""

_MAX_TEXT, _MAX_COEFFICIENTS = 512, 32
_SIZES = {"B": 1, "H": 2, "i": 4, "I": 4, "f": 4, "d": 8}


class Cursor:
    """Reads values one by one; raises `BrokenError` where there are none left."""

    def __init__(self, data: bytes, is_cdr: bool) -> None:
        self.data, self.is_cdr = data, is_cdr
        self._order, self._first = "<", 0
        if is_cdr:
            if len(data) < 4 or data[0] != 0 or data[1] > 1:
                raise BrokenError("a message is not in plain CDR")
            self._order, self._first = "><"[data[1]], 4
        self._place = self._first

    def numbers(self, code: str, count: int) -> tuple[float, ...]:
        """Return numbers of this kind, as struct calls it."""
        size = _SIZES[code]
        if self.is_cdr and count:
            self._place += -(self._place - self._first) % size
        start, self._place = self._place, self._place + size * count
        if self._place > len(self.data):
            raise BrokenError("a message breaks off")
        return struct.unpack_from(f"{self._order}{count}{code}", self.data, start)

    def whole(self, code: str = "I") -> int:
        """Return one whole number."""
        return int(self.numbers(code, 1)[0])

    def text(self) -> str:
        """Return a text."""
        num_bytes = self.whole()
        if num_bytes > _MAX_TEXT or self._place + num_bytes > len(self.data):
            raise BrokenError(f"a message has a text of {num_bytes} bytes")
        start, self._place = self._place, self._place + num_bytes
        return self.data[start : self._place].rstrip(b"\0").decode("utf-8", "replace")

    def header(self) -> tuple[int, str]:
        """Return the stamp of a header, in nanoseconds, and its frame of reference."""
        if not self.is_cdr:
            self.whole()  # a counter, which ROS 2 has dropped
        seconds, nanoseconds = self.whole("i"), self.whole()
        return seconds * 10**9 + nanoseconds, self.text()

    def sequence(self) -> tuple[int, int]:
        """Return where a sequence of bytes starts, and how many it should have."""
        num_bytes = self.whole()
        return self._place, num_bytes


class ImageHead(NamedTuple):
    """What an image says of itself, and where its pixels lie in the message; of a compressed one, no more than that.

    encoding: of a compressed image, its format, such as "rgb8; jpeg compressed bgr8".
    """

    stamp_ns: int
    frame: str
    encoding: str
    start: int
    num_bytes: int
    size: Size = (0, 0)
    step: int = 0
    is_big_endian: bool = False


def image_head(data: bytes, is_cdr: bool) -> ImageHead:
    """Return the head of a sensor_msgs/Image, of which `data` are the first bytes, or all."""
    cursor = Cursor(data, is_cdr)
    stamp_ns, frame = cursor.header()
    height, width, encoding = cursor.whole(), cursor.whole(), cursor.text()
    is_big_endian, step = bool(cursor.whole("B")), cursor.whole()
    return ImageHead(stamp_ns, frame, encoding, *cursor.sequence(), (width, height), step, is_big_endian)


def compressed_head(data: bytes, is_cdr: bool) -> ImageHead:
    """Return the head of a sensor_msgs/CompressedImage, of which `data` are the first bytes, or all."""
    cursor = Cursor(data, is_cdr)
    stamp_ns, frame = cursor.header()
    return ImageHead(stamp_ns, frame, cursor.text(), *cursor.sequence())


class CameraInfo(NamedTuple):
    """What a sensor_msgs/CameraInfo says: of frames of this (width, height).

    matrix: K, row by row, of frames as the lens gives them. projection: P, row by row, of rectified ones.
    """

    size: Size
    model: str
    distortion: tuple[float, ...]
    matrix: tuple[float, ...]
    projection: tuple[float, ...]


def camera_info(data: bytes, is_cdr: bool) -> CameraInfo:
    """Return what a sensor_msgs/CameraInfo says."""
    cursor = Cursor(data, is_cdr)
    cursor.header()
    height, width, model, count = cursor.whole(), cursor.whole(), cursor.text(), cursor.whole()
    if count > _MAX_COEFFICIENTS:
        raise BrokenError(f"a lens has {count} coefficients")
    distortion = cursor.numbers("d", count)
    matrix, _, projection = cursor.numbers("d", 9), cursor.numbers("d", 9), cursor.numbers("d", 12)
    return CameraInfo((width, height), model, distortion, matrix, projection)


class Turn(NamedTuple):
    """A geometry_msgs/Transform: a translation in metres, and a rotation as a quaternion x, y, z, w."""

    translation_m: tuple[float, ...]
    rotation: tuple[float, ...]


def transform(data: bytes, is_cdr: bool) -> Turn:
    """Return what a geometry_msgs/Transform says."""
    cursor = Cursor(data, is_cdr)
    return Turn(cursor.numbers("d", 3), cursor.numbers("d", 4))


def transforms(data: bytes, is_cdr: bool) -> Iterator[tuple[str, str, Turn]]:
    """Yield what a tf2_msgs/TFMessage says: a frame of reference, a second one, and where that lies in the first."""
    cursor = Cursor(data, is_cdr)
    for _ in range(cursor.whole()):
        _, parent = cursor.header()
        child = cursor.text()
        yield parent, child, Turn(cursor.numbers("d", 3), cursor.numbers("d", 4))


def number(data: bytes, is_cdr: bool) -> float:
    """Return what a std_msgs/Float32 says."""
    return Cursor(data, is_cdr).numbers("f", 1)[0]
