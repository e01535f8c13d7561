"""OpenEXR images of depth: one channel of metres, in 16 or 32 bits of floating point.

What a file says of itself is checked before the library sees it. Source: "OpenEXR File Layout".
"""

import io
import struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rgbd.errors import MediaError, TooLargeError, reason_of
from rgbd.recording.archive import is_bomb
from rgbd.recording.extras import import_extra
from rgbd.recording.stills.images import ImageHeader

EXR_MAGIC = b"\x76\x2f\x31\x01"

_DEEP, _MULTIPART = 0x800, 0x1000
_MAX_ATTRIBUTES, _MAX_CHANNELS, _MAX_NAME = 256, 64, 255
_MAX_TILE = 4096
_KINDS = {0: "uint32", 1: "half", 2: "float"}
_NUM_BYTES = {0: 4, 1: 2, 2: 4}
_DEPTH_NAMES = ("z", "depth")  # of the channel that is depth where there are others, behind the name of its layer


class _Header(NamedTuple):
    width: int
    height: int
    channels: dict[str, int]

    @property
    def depth(self) -> str | None:
        """The one channel that is depth."""
        named = [name for name in self.channels if name.rpartition(".")[2].lower() in _DEPTH_NAMES]
        chosen = named if len(self.channels) > 1 else list(self.channels)
        return chosen[0] if len(chosen) == 1 and _KINDS[self.channels[chosen[0]]] in ("half", "float") else None

    @property
    def num_bytes(self) -> int:
        return self.width * self.height * sum(_NUM_BYTES[kind] for kind in self.channels.values())


def exr_header(data: bytes, name: str) -> ImageHeader:
    """Return what an EXR claims of itself; raises `MediaError` where it is none, or holds no one channel of depth."""
    header = _parsed(data, name)
    return ImageHeader((header.width, header.height), is_depth=True, is_metres=True)


def decode_exr(data: bytes, name: str) -> NDArray[np.floating[Any]]:
    """Return the depth of an EXR, [H, W], as it is stored; raises `MediaError` where it cannot be read."""
    header, library = _parsed(data, name), _library(name)
    try:
        with library.File(io.BytesIO(data), separate_channels=True, num_threads=0) as file:
            image = np.asarray(file.channels()[header.depth].pixels)
    except Exception as error:  # the library raises what it meets: damage takes any form
        raise MediaError(f"{name}: the EXR cannot be read ({reason_of(error)}); copy or write it again") from error
    if image.shape != (header.height, header.width) or image.dtype.kind != "f":
        raise MediaError(f"{name}: the EXR is not what it says of itself; copy or write it again")
    return image


def _library(name: str) -> Any:
    return import_extra("OpenEXR", "exr", name=name, purpose="reading EXR images")


def _parsed(data: bytes, name: str) -> _Header:
    _library(name)  # tells at once where it is missing
    try:
        header = _header_of(_attributes(data))
    except (KeyError, ValueError, struct.error) as error:
        raise MediaError(f"{name}: not a readable EXR image ({error}); convert it or copy it again") from error
    if header.depth is None:
        found = ", ".join(f"{channel} ({_KINDS[kind]})" for channel, kind in header.channels.items())
        raise MediaError(
            f"{name}: holds the channels {found}; expected one, or one named Z or depth, of half or float, which is "
            "metres"
        )
    if is_bomb(header.num_bytes, len(data)):
        raise TooLargeError(f"{name}: unpacks to {header.num_bytes >> 20} MiB, far more than a frame")
    return header


def _header_of(attributes: dict[str, bytes]) -> _Header:
    x_min, y_min, x_max, y_max = struct.unpack("<4i", attributes["dataWindow"])
    width, height = x_max - x_min + 1, y_max - y_min + 1
    tile = struct.unpack_from("<2I", attributes["tiles"]) if "tiles" in attributes else (1, 1)
    if min(width, height, *tile) < 1 or max(tile) > _MAX_TILE:
        raise ValueError(f"{width}x{height} in tiles of {tile[0]}x{tile[1]}")
    return _Header(width, height, _channels(attributes["channels"]))


def _channels(data: bytes) -> dict[str, int]:
    found: dict[str, int] = {}
    place = 0
    while data[place : place + 1] != b"\0":
        name, place = _name(data, place)
        kind, _, x_step, y_step = struct.unpack_from("<4i", data, place)
        if len(found) == _MAX_CHANNELS or kind not in _KINDS or (x_step, y_step) != (1, 1):
            raise ValueError(f"the channel {name!r} is of a kind that is not read here")
        found[name] = kind
        place += 16
    return found


def _attributes(data: bytes) -> dict[str, bytes]:
    """Return the header's values by their names."""
    if not data.startswith(EXR_MAGIC):
        raise ValueError("it does not begin as one")
    (flags,) = struct.unpack_from("<I", data, 4)
    if flags & (_DEEP | _MULTIPART):
        raise ValueError("of several parts, or with several depths a pixel; write it as one flat part")
    found: dict[str, bytes] = {}
    place = 8
    while data[place : place + 1] != b"\0":
        name, place = _name(data, place)
        _, place = _name(data, place)
        (size,) = struct.unpack_from("<i", data, place)
        place += 4
        if len(found) == _MAX_ATTRIBUTES or not 0 <= size <= len(data) - place:
            raise ValueError(f"{name!r} breaks off")
        found[name] = data[place : place + size]
        place += size
    return found


def _name(data: bytes, place: int) -> tuple[str, int]:
    """Return a name that a zero ends, and where what follows it begins."""
    end = data.find(b"\0", place, place + _MAX_NAME + 1)
    if end < 0:
        raise ValueError("a name breaks off")
    return data[place:end].decode("latin-1"), end + 1
