"""Packed chunks of messages, unpacked without trust in what they say of themselves."""

import bz2
from collections.abc import Callable
from typing import Protocol

from rgbd.errors import MediaError, TooLargeError
from rgbd.recording.ros.container import BrokenError

_MAX_CHUNK_BYTES = 256 << 20  # a recorder begins a new one after some MB, or with a message that is larger


class _Unpacker(Protocol):
    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


def unpack(data: bytes, packing: str, num_bytes: int, name: str) -> bytes:
    """Return what a chunk of the file `name` holds, which should be `num_bytes`; less where it is cut.

    Raises `BrokenError` for one that is damaged, `MediaError` for a packing that is not known, or whose library is
    missing, and `TooLargeError`.
    """
    if num_bytes > _MAX_CHUNK_BYTES:
        raise TooLargeError(f"{name}: a chunk unpacks to {num_bytes >> 20} MiB, far more than a recorder puts into one")
    if packing not in _UNPACK:
        raise MediaError(f"{name}: is packed with {packing!r}, which is not read here; pack it with lz4, zstd or bz2")
    try:
        return _UNPACK[packing](data, num_bytes)
    except ImportError as error:
        raise MediaError(f"{name}: reading it needs {error.name}; pip install 'rgbd-motion[ros]'") from error


def _unpack_bz2(data: bytes, num_bytes: int) -> bytes:
    return _limited(bz2.BZ2Decompressor(), data, num_bytes)


def _unpack_lz4(data: bytes, num_bytes: int) -> bytes:
    import lz4.frame  # noqa: PLC0415  an extra

    return _limited(lz4.frame.LZ4FrameDecompressor(), data, num_bytes)


def _unpack_zstd(data: bytes, num_bytes: int) -> bytes:
    import zstandard  # noqa: PLC0415  an extra

    try:
        with zstandard.ZstdDecompressor(max_window_size=_MAX_CHUNK_BYTES).stream_reader(data) as reader:
            return bytes(reader.read(num_bytes))
    except zstandard.ZstdError as error:
        raise BrokenError(str(error)) from error


def _limited(unpacker: _Unpacker, data: bytes, num_bytes: int) -> bytes:
    try:
        return unpacker.decompress(data, num_bytes)
    except (OSError, EOFError, RuntimeError, ValueError) as error:
        raise BrokenError(str(error)) from error


_UNPACK: dict[str, Callable[[bytes, int], bytes]] = {"bz2": _unpack_bz2, "lz4": _unpack_lz4, "zstd": _unpack_zstd}
