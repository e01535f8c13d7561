"""The form that `/predict` and `/preview` take -> files on disk and what they mean."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from fastapi import File, Form, UploadFile
from pydantic import ValidationError

from export.bundle import Stream
from serve.clips import Upload
from serve.errors import ServiceError
from serve.schemas import ClipMeta

STREAM_HELP = (
    "A video (mp4, mkv, webm, avi; depth as lossless 16-bit FFV1, gray16le), a zip of frames (JPEG or PNG in the order "
    "of their names; depth as 16-bit PNG), or an .npz (uint8 [frames, height, width, 3] or uint16 "
    "[frames, height, width])."
)

RgbFile = Annotated[UploadFile | None, File(description="The colour stream. " + STREAM_HELP)]
DepthFile = Annotated[UploadFile | None, File(description="The depth stream. " + STREAM_HELP)]
MetaField = Annotated[
    str | None,
    Form(description="JSON: depth_scale_mm (millimetres of one step of 16-bit depth, default 1), fps, start_s, end_s."),
]

_MATROSKA = b"\x1aE\xdf\xa3"


def parse_meta(meta: str | None) -> ClipMeta:
    """Return the form's `meta`; raises 400 when it is not what `ClipMeta` says."""
    try:
        return ClipMeta.model_validate_json(meta or "{}")
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'meta'}: {e['msg']}" for e in error.errors())
        raise ServiceError(HTTPStatus.BAD_REQUEST, "malformed_meta", f"meta: {reasons}") from error


@asynccontextmanager
async def saved_uploads(files: dict[Stream, UploadFile | None]) -> AsyncIterator[tuple[Upload, ...]]:
    """Put the files that were sent where decoder processes can read them, for the length of the block."""
    given = [(stream, file) for stream, file in files.items() if file is not None]
    with TemporaryDirectory(prefix="rgbd-motion-") as folder:
        # In a thread: hundreds of megabytes must not keep all other requests waiting.
        yield tuple([await asyncio.to_thread(_save, Path(folder) / stream, stream, file) for stream, file in given])


def _save(path: Path, stream: Stream, file: UploadFile) -> Upload:
    with path.open("wb") as target:
        shutil.copyfileobj(file.file, target)
    return Upload(stream, path, file.filename or "upload")


def complete(uploads: tuple[Upload, ...], wanted: tuple[Stream, ...]) -> tuple[Upload, ...]:
    """Return one upload for each stream wanted; raises 400 when one is missing.

    A Matroska file sent as `rgb` without a `depth` stands for both: its first video track is colour, its second depth.
    """
    given = {upload.stream: upload for upload in uploads}
    both = given.get("rgb")
    if "depth" in wanted and "depth" not in given and both and _is_matroska(both.path):
        given["depth"] = Upload("depth", both.path, both.filename, track=1)
    missing = [stream for stream in wanted if stream not in given]
    if missing:
        raise ServiceError(
            HTTPStatus.BAD_REQUEST,
            "missing_stream",
            f"this model needs {' and '.join(wanted)}; send {' and '.join(missing)} as a file of that name in the form",
        )
    return tuple(given[stream] for stream in wanted)


def _is_matroska(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_MATROSKA)) == _MATROSKA
