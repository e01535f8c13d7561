"""A recording's files -> the clips that the network takes.

The service runs this in decoder processes: what goes in and comes out is plain data.
"""

import time
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from export.predictor.arguments import shown
from export.predictor.clip_request import ClipRequest
from export.predictor.decoded_clip import ClipFacts, DecodedClip
from export.predictor.frame_sources import FrameSource, PreparedSource, num_frames
from export.predictor.opened_files import Streams, check_complete, file_named, open_files, read_together
from export.predictor.preparedness import was_prepared
from export.predictor.raw_source import RawSource
from rgbd.clip.alignment import Part
from rgbd.clip.appearance import Appearance, Look, differences, look_of
from rgbd.clip.build import build_clip
from rgbd.clip.spec import centred_geometry
from rgbd.errors import MediaError
from rgbd.recording.depth import odd_distances, unit_of
from rgbd.types import Frame, Stream


def read_clip(request: ClipRequest) -> DecodedClip:
    """Return the request's clips, made as in training and evaluation.

    Raises `MediaError` (or one of its kinds), naming the stream, when one of them cannot be used.
    """
    start = time.perf_counter()
    streams = open_files(request)
    check_complete(streams, request)
    clip = read_together(streams, request, _read)
    clip.facts.decode_ms = (time.perf_counter() - start) * 1000 - clip.facts.transform_ms
    return clip


def open_source(streams: Streams, request: ClipRequest) -> FrameSource:
    """Return where frames come from: as they are in the files, or prepared as the model's training clips were."""
    prepared, decided_by = was_prepared(streams, request)
    return (PreparedSource if prepared else RawSource)(streams, request, decided_by)


def _read(streams: Streams, request: ClipRequest) -> DecodedClip:
    source = open_source(streams, request)
    whole = source.alignment.whole(request.meta.start_s, request.meta.end_s)
    most = max(whole.num_frames.values())
    if request.windows_need_frames and request.num_windows > most:
        raise MediaError(f"windows {shown(request.num_windows)}: the clip has {num_frames(most)}; give {most} or fewer")
    windows = source.alignment.split(whole, request.num_windows)
    chosen = [source.choose(window, request.spec.num_frames) for window in windows]
    clips: list[NDArray[np.uint8]] = []
    looks: dict[Stream, list[Look]] = {stream: [] for stream in source.given}
    odd: list[str] = []
    transform_s = 0.0
    for subject, stream in product(range(source.num_subjects), source.given):
        for frames in source.read(subject, stream, [indices[stream] for indices in chosen]):
            start = time.perf_counter()
            with file_named(streams, stream):
                if stream == "depth":
                    odd += odd_depth(frames, streams, request)
                clips.append(build_clip(frames, stream, request.spec, centred_geometry(request.spec)))
            looks[stream].append(look_of(frames, stream))
            transform_s += time.perf_counter() - start
    facts = ClipFacts(
        whole=whole,
        windows=windows,
        aligned_by=source.alignment.by,
        given=list(source.given),
        prepared=source.prepared,
        subjects=source.subjects,
        warnings=[
            *_shortages(whole, request.spec.num_frames),
            *source.warnings,
            *odd[:1],
            *unlike_training(looks, request.trained_on, can_prepare=request.preparation is not None),
        ],
        transform_ms=transform_s * 1000,
    )
    return DecodedClip(facts, clips)


def odd_depth(frames: Sequence[Frame], streams: Streams, request: ClipRequest) -> tuple[str, ...]:
    """Return in words what is odd about how far away all is; raises `MediaError` for what no sensor measures."""
    file, reader = streams["depth"]
    unit_mm = unit_of(reader, request.meta.depth_scale_mm)
    return tuple(f"depth ({file.name}): {odd}" for odd in odd_distances(frames, unit_mm, reader.name))


def unlike_training(
    looks: Mapping[Stream, Sequence[Look]], trained_on: Mapping[Stream, Appearance], *, can_prepare: bool
) -> list[str]:
    """Return a warning for each stream of which a window does not look like what the model was trained on.

    `looks` are those of a stream's windows; the first that differs is described. can_prepare: whether the bundle knows
    how its training clips were prepared.
    """
    found = {
        stream: next(filter(None, (differences(look, trained_on[stream]) for look in windows)), [])
        for stream, windows in looks.items()
        if stream in trained_on
    }
    remedy = (
        "give the recording as the camera wrote it, or prepared as those were, with python -m preprocess"
        if can_prepare
        else "give clips that were prepared as those were, with python -m preprocess"
    )
    return [
        f"{stream} does not look like the clips that this model was trained on: {'; '.join(words)}. The answer may "
        f"well be wrong: {remedy}"
        for stream, words in found.items()
        if words
    ]


def _shortages(whole: Part, wanted: int) -> list[str]:
    return [
        f"{stream} has {num_frames(count)}, fewer than the {wanted} that the model looks at; some were repeated"
        for stream, count in whole.num_frames.items()
        if count < wanted
    ]
