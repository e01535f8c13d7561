"""Frames in memory, NumPy's arrays, as an .npz, which the service reads as it does files: nothing is lost."""

import io
import zipfile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from clients.errors import InputError

_FASTEST = 1  # of deflate's levels: what the others save on pictures is not worth three times the time

_EXPECTED = {
    "rgb": "uint8 [frames, height, width, 3], red first: of numbers up to 1, (255 * frames).astype(numpy.uint8)",
    "depth": "uint16 [frames, height, width]: of metres, (1000 * frames).astype(numpy.uint16)",
}


def packed_frames(stream: str, frames: Any) -> IO[bytes]:
    """Return the .npz of colour, uint8 [T, H, W, 3], or of depth, uint16 [T, H, W]; raises `InputError` for others."""
    array = np.ascontiguousarray(frames)
    if not _is_stream(stream, array) or array.size == 0:
        raise InputError(f"{stream}: the array is {array.dtype} {list(array.shape)}; give {_EXPECTED[stream]}")
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=_FASTEST) as archive,
        archive.open(f"{stream}.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array(file, array, allow_pickle=False)
    packed.seek(0)
    return packed


def _is_stream(stream: str, array: NDArray[Any]) -> bool:
    if stream == "rgb":
        return array.dtype == np.uint8 and array.ndim == 4 and array.shape[3] == 3
    return (array.dtype.kind, array.dtype.itemsize, array.ndim) == ("u", 2, 3)  # in any order of bytes
