"""From what a person has on disk, a file or a folder of frames, to what the service takes."""

import io
import re
import zipfile
from pathlib import Path
from typing import IO

from clients.errors import InputError

_FRAME_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".pgm", ".ppm", ".exr"}  # which the service reads


def open_upload(path: Path) -> tuple[str, IO[bytes]]:
    """Return the name to send and an open binary file: the file itself, or a folder's frames as a zip in memory.

    Raises `InputError` when the path does not exist, cannot be read, is a device, or is a folder without images.
    """
    try:
        if path.is_dir():
            return f"{_as_text(path.resolve().name)}.zip", _zip_frames(path)
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: is no file, but a device or a pipe; give a file, or a folder of frames")
        return _as_text(path.name), path.open("rb")
    except (OSError, ValueError) as error:  # names that no file can have are a ValueError
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InputError(f"{path}: cannot be read ({reason}); check the path and its permissions") from error


def _as_text(name: str) -> str:
    r"""Return a file's name so that it can be sent: bytes that are no text become \udc80 and the like."""
    return name.encode(errors="backslashreplace").decode()


def _zip_frames(folder: Path) -> IO[bytes]:
    images = (path for path in folder.iterdir() if path.suffix.lower() in _FRAME_SUFFIXES and path.is_file())
    frames = sorted((path for path in images if not path.name.startswith(".")), key=_natural_order)
    if not frames:
        raise InputError(
            f"{folder}: holds no images (JPEG, PNG, TIFF, PGM, PPM, EXR); give the folder that they lie in directly"
        )
    archive = io.BytesIO()
    # Frames are compressed already: packing them again would cost time and save nothing.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED, strict_timestamps=False) as packed:
        for frame in frames:
            packed.write(frame, _as_text(frame.name))
    archive.seek(0)
    return archive


def _natural_order(path: Path) -> list[tuple[int, str]]:
    # frame_2 comes before frame_10, as the service sorts them too.
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", path.name)]
