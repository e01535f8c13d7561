"""A recording's files -> the clips that the network takes.

The service runs this in decoder processes: what goes in and comes out is plain data.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from export.predictor.arguments import shown
from export.predictor.clip_request import ClipRequest, RecordingMeta, StreamFile
from rgbd.clip.alignment import AlignedBy, Alignment, Part
from rgbd.clip.appearance import Appearance, Look, differences, look_of
from rgbd.clip.build import build_clip
from rgbd.clip.spec import ClipSpec, centred_geometry
from rgbd.errors import MediaError, MissingStreamError, TooLargeError
from rgbd.recording.depth import stream_in_millimetres, unit_of
from rgbd.recording.formats import open_streams
from rgbd.recording.limits import Limits
from rgbd.recording.streams import MiscountedError, StreamReader, frame_of
from rgbd.recording.timeline import Indices, make_timeline
from rgbd.recording.tracks import choose_tracks
from rgbd.types import Frame, Stream

Result = TypeVar("Result")

Streams = Mapping[Stream, tuple[StreamFile, StreamReader]]
"""Of each stream what was given for it, and the reader that was opened for that."""


class ClipFacts(BaseModel):
    """What was found in the files, and the time it took."""

    whole: Part
    windows: list[Part]
    aligned_by: AlignedBy
    given: list[Stream]
    warnings: list[str]
    decode_ms: float = 0.0
    transform_ms: float = 0.0


@dataclass(frozen=True)
class DecodedClip:
    """The clips of a recording's windows: `arrays`, uint8 [T, H, W, 3], those of a stream after each other."""

    facts: ClipFacts
    arrays: list[NDArray[np.uint8]]

    def windows(self, streams: Sequence[Stream]) -> list[dict[Stream, NDArray[np.uint8]]]:
        """Return the clips of each window by stream; black where a stream was not given."""
        given, arrays = self.facts.given, iter(self.arrays)
        windows: list[dict[Stream, NDArray[np.uint8]]] = [{} for _ in self.facts.windows]
        for stream in given:
            for clips in windows:
                clips[stream] = next(arrays)
        black = np.zeros_like(windows[0][given[0]])
        return [{stream: clips.get(stream, black) for stream in streams} for clips in windows]


def read_clip(request: ClipRequest) -> DecodedClip:
    """Return the request's clips, made as in training and evaluation.

    Raises `MediaError` (or one of its kinds), naming the stream, when one of them cannot be used.
    """
    start = time.perf_counter()
    streams = open_files(request)
    _check_complete(streams, request)
    clip = read_together(streams, request, _read)
    clip.facts.decode_ms = (time.perf_counter() - start) * 1000 - clip.facts.transform_ms
    return clip


def open_files(request: ClipRequest) -> Streams:
    """Return what was given of the streams that the model takes, in their order, not decoded yet.

    A video given as `rgb` without `depth` stands for both; where its tracks are of one kind, the first is colour, and
    the second depth.
    """
    given = {file.stream for file in request.files}
    opened: dict[Stream, tuple[StreamFile, StreamReader]] = {}
    for file in request.files:
        stands_for: list[Stream] = ["rgb", "depth"] if file.stream == "rgb" and "depth" not in given else [file.stream]
        if not set(stands_for) & set(request.streams):
            continue
        with named(file):
            readers = open_streams(file.path, replace(request.limits, on_damage="report"))
            meant = choose_tracks(readers, stands_for, request.meta.tracks)
        opened |= {stream: (replace(file, stream=stream), reader) for stream, reader in meant.items()}
    return {stream: opened[stream] for stream in request.streams if stream in opened}


def _check_complete(streams: Streams, request: ClipRequest) -> None:
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


def align(streams: Streams, meta: RecordingMeta, limits: Limits) -> Alignment:
    """Return the streams beside each other: tracks of one file by the file's times, files from their first frames."""
    lines = {}
    for stream, (file, reader) in streams.items():
        said = (meta.depth_fps if stream == "depth" else None) or meta.fps
        with named(file):
            line = make_timeline(reader.num_frames, reader.fps or said, reader.times_s)
            if line.is_timed:
                limits.check_duration(line.end - line.start)
            lines[stream] = line
    return Alignment(lines, share_clock=len({file.path for file, _ in streams.values()}) == 1)


def _read(streams: Streams, request: ClipRequest) -> DecodedClip:
    alignment = align(streams, request.meta, request.limits)
    whole = alignment.whole(request.meta.start_s, request.meta.end_s)
    most = max(whole.num_frames.values())
    if request.windows_need_frames and request.num_windows > most:
        raise MediaError(f"windows {shown(request.num_windows)}: the clip has {_frames(most)}; give {most} or fewer")
    windows = alignment.split(whole, request.num_windows)
    chosen = [alignment.sample(window, request.spec.num_frames) for window in windows]
    warnings = [*_shortages(whole, request.spec), *_remainders(alignment)]
    facts = ClipFacts(whole=whole, windows=windows, aligned_by=alignment.by, given=list(streams), warnings=warnings)
    clips: list[NDArray[np.uint8]] = []
    looks: dict[Stream, list[Look]] = {stream: [] for stream in streams}
    for stream, (file, reader) in streams.items():
        with named(file):
            unit_mm = unit_of(reader, request.meta.depth_scale_mm)
            for stored in read_groups(reader, [indices[stream] for indices in chosen]):
                start = time.perf_counter()
                frames = stream_in_millimetres(stored, unit_mm)
                clips.append(build_clip(frames, stream, request.spec, centred_geometry(request.spec)))
                looks[stream].append(look_of(frames, stream))
                facts.transform_ms += (time.perf_counter() - start) * 1000
    facts.warnings += [
        f"{stream} ({file.name}): {'; '.join(reader.damage)}"
        for stream, (file, reader) in streams.items()
        if reader.damage
    ]
    facts.warnings += [
        f"{stream} ({file.name}): {note}" for stream, (file, reader) in streams.items() for note in reader.notes
    ]
    facts.warnings += unlike_training(looks, request.trained_on)
    return DecodedClip(facts, clips)


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
        "well be wrong: give clips that were prepared as those were, with python -m preprocess"
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
        raise TooLargeError(f"{name}: needs more memory than one clip may take; scale its frames down") from error


def _shortages(whole: Part, spec: ClipSpec) -> list[str]:
    return [
        f"{stream} has {_frames(count)}, fewer than the {spec.num_frames} that the model looks at; some were repeated"
        for stream, count in whole.num_frames.items()
        if count < spec.num_frames
    ]


def _remainders(alignment: Alignment) -> list[str]:
    counts = {stream: count for stream, count in alignment.outside().items() if count}
    if not counts:
        return []
    frames = " and ".join(_frames(count, stream) for stream, count in counts.items())
    outside = f"{frames} {'was' if sum(counts.values()) == 1 else 'were'} left out"
    if alignment.by == "time":
        return [f"{outside}: the other stream shows nothing of that time"]
    return [
        f"{outside}: no times are known, so frames of the same number were taken together; where the rates differ, "
        "give fps and depth_fps"
    ]


def _frames(count: int, *stream: Stream) -> str:
    return " ".join([str(count), *stream, "frame" if count == 1 else "frames"])
