"""Uploaded streams -> the clips that the network takes.

Runs in decoder processes; what goes in and out of them is plain data.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from rgbd.clip.appearance import Appearance, Look, differences, look_of
from rgbd.clip.build import build_clip
from rgbd.clip.spec import ClipSpec, centred_geometry
from rgbd.errors import MediaError, MissingStreamError, TooLargeError
from rgbd.recording.depth import stream_in_millimetres
from rgbd.recording.formats import open_streams
from rgbd.recording.limits import Limits
from rgbd.recording.streams import MiscountedError, StreamReader, frame_of
from rgbd.recording.timeline import Indices, make_timeline
from rgbd.types import Frame, Stream
from serve.alignment import AlignedBy, Alignment, Part
from serve.parcel import Parcel
from serve.schemas import ClipMeta

Result = TypeVar("Result")


@dataclass(frozen=True)
class Upload:
    """A file that was sent for a stream: where it was put, and what the sender calls it."""

    stream: Stream
    path: Path
    filename: str


Streams = Mapping[Stream, tuple[Upload, StreamReader]]


@dataclass(frozen=True)
class ClipRequest:
    """What a decoder process needs to know: the files, what is said of them, and what the model takes.

    Of the `streams` one may be missing if the other is `enough`. The clip is cut into `num_windows` equal parts.
    `trained_on` says what the clips look like that the model was trained on.
    """

    uploads: tuple[Upload, ...]
    meta: ClipMeta
    limits: Limits
    spec: ClipSpec
    streams: tuple[Stream, ...]
    enough: tuple[Stream, ...] = ()
    num_windows: int = 1
    trained_on: Mapping[Stream, Appearance] = field(default_factory=dict)


class DecodedClip(BaseModel):
    """What was found in the files, and the time it took. With it come clips, uint8 [T, H, W, 3]: `clips_of`."""

    whole: Part
    windows: list[Part]
    aligned_by: AlignedBy
    sent: list[Stream]
    warnings: list[str]
    decode_ms: float = 0.0
    transform_ms: float = 0.0


def clips_of(decoded: Parcel[DecodedClip], streams: Sequence[Stream]) -> list[dict[Stream, NDArray[np.uint8]]]:
    """Return the clips of each window by stream; black where a stream was not sent."""
    sent, arrays = decoded.facts.sent, iter(decoded.arrays)
    windows: list[dict[Stream, NDArray[np.uint8]]] = [{} for _ in decoded.facts.windows]
    for stream in sent:
        for clips in windows:
            clips[stream] = next(arrays)
    black = np.zeros_like(windows[0][sent[0]])
    return [{stream: clips.get(stream, black) for stream in streams} for clips in windows]


def decode_clip(request: ClipRequest) -> Parcel[DecodedClip]:
    """Return the request's clips, made as in training and evaluation.

    Raises `MediaError` (or one of its kinds), naming the stream, when one of them cannot be used.
    """
    start = time.perf_counter()
    streams = open_uploads(request)
    _check_complete(streams, request)
    decoded = read_together(streams, request, _decode)
    decoded.facts.decode_ms = (time.perf_counter() - start) * 1000 - decoded.facts.transform_ms
    return decoded


def open_uploads(request: ClipRequest) -> Streams:
    """Return what was sent of the streams that the model takes, in their order, not decoded yet.

    A video sent as `rgb` without `depth` stands for both: its first track is colour, its second depth.
    """
    sent = {upload.stream for upload in request.uploads}
    opened: dict[Stream, tuple[Upload, StreamReader]] = {}
    for upload in request.uploads:
        stands_for: list[Stream] = (
            ["rgb", "depth"] if upload.stream == "rgb" and "depth" not in sent else [upload.stream]
        )
        if not set(stands_for) & set(request.streams):
            continue
        with named(upload):
            readers = open_streams(upload.path, request.limits)
        opened |= {s: (replace(upload, stream=s), reader) for s, reader in zip(stands_for, readers, strict=False)}
    return {stream: opened[stream] for stream in request.streams if stream in opened}


def _check_complete(streams: Streams, request: ClipRequest) -> None:
    missing = [stream for stream in request.streams if stream not in streams]
    if missing and not any(stream in streams for stream in request.enough):
        raise MissingStreamError(
            f"this model needs {' and '.join(request.streams)}; send {' and '.join(missing)} as a file of that name in "
            "the form"
        )


def read_together(streams: Streams, request: ClipRequest, work: Callable[[Streams, ClipRequest], Result]) -> Result:
    """Return what `work` makes of the streams; it is called again when a video had been counted wrongly."""
    while True:
        try:
            return work(streams, request)
        except MiscountedError:
            continue


def align(streams: Streams, meta: ClipMeta, limits: Limits) -> Alignment:
    """Return the streams beside each other: tracks of one file by the file's times, files from their first frames."""
    lines = {}
    for stream, (upload, reader) in streams.items():
        said = (meta.depth_fps if stream == "depth" else None) or meta.fps
        with named(upload):
            line = make_timeline(reader.num_frames, reader.fps or said, reader.times_s)
            if line.is_timed:
                limits.check_duration(line.end - line.start)
            lines[stream] = line
    if len({upload.path for upload, _ in streams.values()}) > 1:
        lines = {stream: line.counted_from(line.start) for stream, line in lines.items()}
    return Alignment(lines)


def _decode(streams: Streams, request: ClipRequest) -> Parcel[DecodedClip]:
    alignment = align(streams, request.meta, request.limits)
    whole = alignment.whole(request.meta)
    windows = alignment.split(whole, request.num_windows)
    chosen = [alignment.sample(window, request.spec.num_frames) for window in windows]
    warnings = [*_shortages(whole, request.spec), *_remainders(alignment)]
    facts = DecodedClip(whole=whole, windows=windows, aligned_by=alignment.by, sent=list(streams), warnings=warnings)
    clips: list[NDArray[np.uint8]] = []
    looks: dict[Stream, list[Look]] = {stream: [] for stream in streams}
    for stream, (upload, reader) in streams.items():
        with named(upload):
            for stored in read_groups(reader, [indices[stream] for indices in chosen]):
                start = time.perf_counter()
                frames = stream_in_millimetres(stored, request.meta.depth_scale_mm)
                clips.append(build_clip(frames, stream, request.spec, centred_geometry(request.spec)))
                looks[stream].append(look_of(frames, stream))
                facts.transform_ms += (time.perf_counter() - start) * 1000
    facts.warnings += unlike_training(looks, request.trained_on)
    return Parcel(facts, clips)


def unlike_training(looks: Mapping[Stream, Sequence[Look]], trained_on: Mapping[Stream, Appearance]) -> list[str]:
    """Return a warning for each stream of which a window does not look like what the model was trained on.

    `looks` are those of a stream's windows; the first that differs is described.
    """
    found = {
        stream: next(filter(None, (differences(look, trained_on[stream]) for look in windows)), [])
        for stream, windows in looks.items()
        if stream in trained_on
    }
    return [
        f"{stream} does not look like the clips that this model was trained on: {'; '.join(words)}. The answer may "
        "well be wrong: send clips that were prepared as those were, with python -m preprocess"
        for stream, words in found.items()
        if words
    ]


def read_groups(reader: StreamReader, groups: Sequence[Indices]) -> Iterator[list[Frame]]:
    """Yield the frames of each group; groups ascend, so that the frames of one are forgotten before the next."""
    wanted = sorted({int(index) for group in groups for index in group})
    pictures = reader.read(wanted)
    numbered = zip(wanted, pictures, strict=False)
    kept: dict[int, Frame] = {}
    for group in groups:
        kept = {index: frame for index, frame in kept.items() if index >= group[0]}
        while group[-1] not in kept:
            place, picture = next(numbered)
            kept[place] = frame_of(picture)
        yield [kept[int(index)] for index in group]
    for _ in pictures:  # to the end: only then a video is known to be counted rightly
        pass


@contextmanager
def named(upload: Upload) -> Iterator[None]:
    """Make errors of the block say which upload they are about, and nothing of our folders."""
    name = f"{upload.stream} ({upload.filename})"
    try:
        yield
    except MediaError as error:
        reason = str(error).removeprefix(f"{upload.path}: ")
        raise type(error)(f"{name}: {reason}") from error
    except (MemoryError, cv2.error) as error:  # OpenCV reports in its own way that it got no memory
        raise TooLargeError(f"{name}: needs more memory than one clip may take; scale its frames down") from error


def _shortages(whole: Part, spec: ClipSpec) -> list[str]:
    return [
        f"{stream} has {count} frames, fewer than the {spec.num_frames} that the model looks at; some were repeated"
        for stream, count in whole.num_frames.items()
        if count < spec.num_frames
    ]


def _remainders(alignment: Alignment) -> list[str]:
    outside = " and ".join(f"{count} {stream} frames" for stream, count in alignment.outside().items() if count)
    if not outside:
        return []
    if alignment.by == "time":
        return [f"{outside} were left out: the other stream shows nothing of that time"]
    return [
        f"{outside} were left out: no times are known, so frames of the same number were taken together; where "
        "the rates differ, send fps and depth_fps in meta"
    ]
