"""The image files that frames come in, each kind with its reader."""

from collections.abc import Callable
from pathlib import PurePath
from typing import Any, NamedTuple

from rgbd.errors import MediaError
from rgbd.recording.limits import Limits
from rgbd.recording.metres import METRES_UNIT_MM, Metres
from rgbd.recording.stills.exr import EXR_MAGIC, decode_exr, exr_header
from rgbd.recording.stills.images import ImageHeader, decode_image, image_header
from rgbd.recording.stills.netpbm import decode_netpbm, is_netpbm, netpbm_header
from rgbd.recording.stills.tiff import decode_tiff, is_tiff, tiff_header
from rgbd.types import Frame


class _Kind(NamedTuple):
    """One kind of image file: how it ends, whether these bytes begin as it does, and its reader.

    `header` and `decode` take the bytes and what messages call them, and raise `MediaError`. What `decode` returns is a
    `Frame`, or metres where the header says so.
    """

    suffixes: tuple[str, ...]
    recognises: Callable[[bytes], bool]
    header: Callable[[bytes, str], ImageHeader]
    decode: Callable[[bytes, str], Any]


_PLAIN = _Kind(
    (".jpg", ".jpeg", ".png"), lambda data: data.startswith((b"\xff\xd8", b"\x89PNG")), image_header, decode_image
)
_KINDS = (
    _PLAIN,
    _Kind((".tif", ".tiff"), is_tiff, tiff_header, decode_tiff),
    _Kind((".pgm", ".ppm"), is_netpbm, netpbm_header, decode_netpbm),
    _Kind((".exr",), lambda data: data.startswith(EXR_MAGIC), exr_header, decode_exr),
)
IMAGE_SUFFIXES = tuple(suffix for kind in _KINDS for suffix in kind.suffixes)

IMAGE_FILES = "JPEG, PNG, TIFF, PGM, PPM or EXR"
"""Their names, for messages."""


class ImageFrames:
    """The frames of one stream of images, of which all are depth in metres, or none is; `first` is the first file."""

    def __init__(self, first: bytes, name: str, limits: Limits) -> None:
        self._limits, self._metres = limits, Metres()
        self.size, self.is_depth, is_metres = _kind_of(first, name).header(first, name)
        self.unit_mm = METRES_UNIT_MM if is_metres else None

    def frame(self, data: bytes, name: str) -> Frame:
        """Return what an image file holds; raises `MediaError` or `TooLargeError`, naming `name`."""
        kind = _kind_of(data, name)
        header = kind.header(data, name)
        self._limits.check_pixels(*header.size)
        if header.is_metres != (self.unit_mm is not None):
            raise MediaError(
                f"{name}: mixes depth in metres with whole numbers in one stream; give each stream images of one kind"
            )
        image = kind.decode(data, name)
        frame: Frame = self._metres.millimetres(image, name) if header.is_metres else image
        return frame

    @property
    def too_far(self) -> tuple[str, ...]:
        """What of the depth read so far lies too far to be taken, in words."""
        return self._metres.too_far


def _kind_of(data: bytes, name: str) -> _Kind:
    """Return what a file is by its first bytes; what it is meant to be, by its name, where these say nothing."""
    suffix = PurePath(name).suffix.lower()
    meant = next((kind for kind in _KINDS if suffix in kind.suffixes), _PLAIN)
    return next((kind for kind in _KINDS if kind.recognises(data)), meant)
