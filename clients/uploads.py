"""From what a person has, a file, a folder of frames or frames in memory, to what the service takes."""

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

from clients.errors import InputError

FRAME_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".pgm", ".ppm", ".exr"}  # which the service reads


@runtime_checkable
class Frames(Protocol):
    """NumPy's arrays, and what it makes arrays of: colour, uint8 [T, H, W, 3], or depth, uint16 [T, H, W]."""

    def __array__(self) -> Any: ...


Source = Path | Frames
"""A file that the service reads, a folder of images, or frames in memory."""


@dataclass(frozen=True)
class Upload:
    """The name to send, and what is sent: a file, or, packed in memory, what was none."""

    name: str
    content: Path | IO[bytes]


def streams_of(rgb: Source | None, depth: Source | None) -> dict[str, Source]:
    """Return the streams that were given; raises `InputError` where none was."""
    streams = {name: source for name, source in (("rgb", rgb), ("depth", depth)) if source is not None}
    if not streams:
        raise InputError("no stream was given; give rgb, depth, or both, as the model needs")
    return streams


def packed_upload(stream: str, source: Source) -> Upload:
    """Return what is sent of a stream: a file itself, frames of a folder or in memory packed; leaves nothing open.

    Raises `InputError` when the path does not exist, cannot be read, is a device, or is a folder without images, and
    for arrays that are no stream, or without NumPy.
    """
    if isinstance(source, Path):
        return _upload_of(source)
    if not isinstance(source, Frames):
        raise InputError(f"{stream}: {source!r:.80} is neither a pathlib.Path nor an array of frames; give one of them")
    try:
        from clients.arrays import packed_frames  # noqa: PLC0415  needs an extra
    except ImportError as error:
        raise InputError(
            f"{stream}: frames in memory need {error.name}; pip install 'rgbd-motion[client,arrays]', or give a file"
        ) from error
    return Upload(f"{stream}.npz", packed_frames(stream, source))


def _upload_of(path: Path) -> Upload:
    with _readable(path):
        if path.is_dir():
            return Upload(f"{as_text(path.resolve().name)}.zip", _zip_frames(path))
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: is no file, but a device or a pipe; give a file, or a folder of frames")
        return Upload(as_text(path.name), path)


def open_upload(upload: Upload, opened: ExitStack) -> tuple[str, IO[bytes]]:
    """Return its name and an open binary file, which `opened` closes; raises `InputError` as `packed_upload`."""
    if not isinstance(upload.content, Path):
        return upload.name, upload.content
    with _readable(upload.content):
        return upload.name, opened.enter_context(upload.content.open("rb"))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # names that no file can have are a ValueError
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InputError(f"{path}: cannot be read ({reason}); check the path and its permissions") from error


def as_text(name: str) -> str:
    r"""Return a file's name so that it can be sent: bytes that are no text become \udc80 and the like."""
    return name.encode(errors="backslashreplace").decode()


def frames_in(folder: Path) -> list[Path]:
    """Return the images that lie in a folder directly, frame_2 before frame_10, as the service sorts them too."""
    images = (path for path in folder.iterdir() if path.suffix.lower() in FRAME_SUFFIXES and path.is_file())
    return sorted((path for path in images if not path.name.startswith(".")), key=lambda path: natural_order(path.name))


def natural_order(name: str) -> list[tuple[int, str]]:
    """Return what names with numbers are sorted by."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def _zip_frames(folder: Path) -> IO[bytes]:
    frames = frames_in(folder)
    if not frames:
        raise InputError(
            f"{folder}: holds no images (JPEG, PNG, TIFF, PGM, PPM, EXR); give the folder that they lie in directly"
        )
    archive = io.BytesIO()
    # Frames are compressed already: packing them again would cost time and save nothing.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED, strict_timestamps=False) as packed:
        for frame in frames:
            packed.write(frame, as_text(frame.name))
    archive.seek(0)
    return archive
