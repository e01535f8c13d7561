"""The files of a recording, opened as the streams that they hold."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import cv2

from export.predictor.clip_request import ClipRequest, StreamFile
from rgbd.errors import NO_MEMORY, MediaError, MissingStreamError, TooLargeError, UserError
from rgbd.recording.formats import open_streams
from rgbd.recording.streams import MiscountedError, StreamReader
from rgbd.recording.tracks import choose_tracks
from rgbd.types import Stream

Result = TypeVar("Result")

Streams = Mapping[Stream, tuple[StreamFile, StreamReader]]
"""Of each stream what was given for it, and the reader that was opened for that."""


def open_files(request: ClipRequest) -> Streams:
    """Return what was given of the streams that are of use, colour first, not decoded yet.

    A video given as `rgb` without `depth` stands for both; where its tracks are of one kind, the first is colour, and
    the second depth.
    """
    given = {file.stream for file in request.files}
    opened: dict[Stream, tuple[StreamFile, StreamReader]] = {}
    for file in request.files:
        stands_for: list[Stream] = ["rgb", "depth"] if file.stream == "rgb" and "depth" not in given else [file.stream]
        if not set(stands_for) & set(request.useful_streams):
            continue
        with named(file):
            readers = open_streams(file.path, replace(request.limits, on_damage="report"))
            meant = choose_tracks(readers, stands_for, request.meta.tracks)
        opened |= {stream: (replace(file, stream=stream), reader) for stream, reader in meant.items()}
    return {stream: opened[stream] for stream in request.useful_streams if stream in opened}


def check_complete(streams: Collection[Stream], request: ClipRequest) -> None:
    """Raise `MissingStreamError` where the model cannot answer by these streams."""
    missing = [stream for stream in request.streams if stream not in streams]
    if missing and not any(stream in streams for stream in request.enough):
        raise MissingStreamError(f"this model needs {' and '.join(request.streams)}; give {' and '.join(missing)}, too")


def read_together(streams: Streams, request: ClipRequest, work: Callable[[Streams, ClipRequest], Result]) -> Result:
    """Return what `work` makes of the streams; it is called again when a video had been counted wrongly."""
    while True:
        try:
            return work(streams, request)
        except MiscountedError:
            continue


@contextmanager
def named(file: StreamFile) -> Iterator[None]:
    """Make errors of the block say which file they are about by its name: where it lies may be nobody's business."""
    name = f"{file.stream} ({file.name})"
    try:
        yield
    except MediaError as error:
        message, path = str(error), str(file.path)
        said = message.replace(path, name, 1) if message.startswith(path) else f"{name}: {message}"
        raise type(error)(said) from error
    except (MemoryError, cv2.error) as error:  # OpenCV reports in its own way that it got no memory
        raise TooLargeError(f"{name}: {NO_MEMORY}") from error


@contextmanager
def file_named(streams: Streams, stream: Stream) -> Iterator[None]:
    """Do the same for errors about the frames of one of the streams."""
    with named(streams[stream][0]):
        yield


@contextmanager
def all_named(streams: Streams) -> Iterator[None]:
    """Do the same for errors about any of the files; they say themselves which."""
    try:
        yield
    except UserError as error:
        kind = type(error) if isinstance(error, MediaError) else MediaError
        raise kind(without_paths(str(error), streams)) from error
    except (MemoryError, cv2.error) as error:
        files = " and ".join(f"{stream} ({file.name})" for stream, (file, _) in streams.items())
        raise TooLargeError(f"{files}: {NO_MEMORY}") from error


def without_paths(text: str, streams: Streams) -> str:
    """Return a message in which files are called as who gave them calls them."""
    for stream, (file, _) in streams.items():
        text = text.replace(str(file.path), f"{stream} ({file.name})")
    return text
