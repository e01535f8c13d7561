"""The files of a form, put down where decoder processes can read them."""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

from starlette.datastructures import UploadFile

from export.predictor.clip_request import StreamFile
from rgbd.types import Stream


async def save_files(folder: Path, files: Mapping[Stream, UploadFile]) -> tuple[StreamFile, ...]:
    """Write the files to a folder, each under the name of its stream."""
    # In a thread: hundreds of megabytes must not keep all other requests waiting.
    return tuple([await asyncio.to_thread(_save, folder / stream, stream, file) for stream, file in files.items()])


def _save(path: Path, stream: Stream, file: UploadFile) -> StreamFile:
    with path.open("wb") as target:
        shutil.copyfileobj(file.file, target)
    name = file.filename or "upload"
    return StreamFile(stream, path, name.encode(errors="replace").decode())  # half a character cannot be answered with
