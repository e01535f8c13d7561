"""A frame's packed pixels -> a frame; they are untrusted, and unpacked in a process that may die of them."""

import numpy as np
import zstandard

from rgbd.errors import DamagedError, MediaError, TooLargeError
from rgbd.recording.stills.images import decode_image, image_header
from rgbd.types import Frame, Size, Stream
from serve.live.messages import PackedFrame


def decode_frame(packed: PackedFrame, size: Size) -> Frame:
    """Return a frame of the announced (width, height): uint8 RGB [H, W, 3], or uint16 [H, W].

    Raises `MediaError` where it is no such frame.
    """
    if packed.encoding in ("jpeg", "png"):
        return _decode_image(packed, size)
    payload, num_bytes = packed.payload, _num_bytes(packed.stream, size)
    if packed.encoding == "zstd":
        payload = _decompress(packed, num_bytes)
    if len(payload) != num_bytes:
        raise MediaError(
            f"{packed.stream}: {len(payload)} bytes are no frame of {_shown(size)}, which has {num_bytes}; announce "
            "the size that frames have"
        )
    width, height = size
    if packed.stream == "rgb":
        return np.frombuffer(payload, np.uint8).reshape(height, width, 3)
    return np.frombuffer(payload, "<u2").reshape(height, width).astype(np.uint16, copy=False)


def _decode_image(packed: PackedFrame, size: Size) -> Frame:
    header = image_header(packed.payload, packed.stream)
    if header.size != size:
        raise MediaError(
            f"{packed.stream}: a frame of {_shown(header.size)} came where {_shown(size)} was announced; begin another "
            "session where the size changes"
        )
    frame = decode_image(packed.payload, packed.stream)
    if packed.encoding != ("png" if packed.payload.startswith(b"\x89PNG") else "jpeg"):
        raise MediaError(f"{packed.stream}: its header says {packed.encoding}, and its pixels are packed otherwise")
    return frame


def _decompress(packed: PackedFrame, num_bytes: int) -> bytes:
    try:
        if zstandard.frame_content_size(packed.payload) > num_bytes:
            raise TooLargeError(f"{packed.stream}: its pixels unpack to more than {num_bytes} bytes")
        return zstandard.ZstdDecompressor().decompress(packed.payload, max_output_size=num_bytes)
    except zstandard.ZstdError as error:
        raise DamagedError(f"{packed.stream}: its pixels cannot be unpacked ({error}); pack them again") from error


def _num_bytes(stream: Stream, size: Size) -> int:
    return size[0] * size[1] * (3 if stream == "rgb" else 2)


def _shown(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
