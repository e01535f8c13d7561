"""Uploaded streams -> the small pictures that the page shows, and what answers look at in them.

Runs in decoder processes.
"""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from export.predictor.clip_request import ClipRequest
from export.predictor.frame_sources import PreparedSource, in_groups
from export.predictor.opened_files import Streams, all_named, file_named, open_files, read_together
from export.predictor.preparedness import was_prepared
from export.predictor.raw_source import RawSource
from rgbd.clip.build import check_kind
from rgbd.clip.depth_encoding import DepthEncoding, encode_depth
from rgbd.errors import MissingStreamError
from rgbd.recording.depth import check_one_kind, likely_unit
from rgbd.recording.stills.images import encode_image
from rgbd.recording.timeline import Indices
from rgbd.types import Frame, Stream
from serve.schemas import PreviewPreparation, PreviewReply, StreamPreview, ViewPreview
from serve.uploads.ipc import DecoderReply
from serve.uploads.views import raw_view, whole_view

_FRAMES = 40
_WIDTH = 320
_QUALITY = 80
_PERCENTILES = (2, 98)  # of the depths in a clip: a few wild pixels must not flatten the colours
_FARTHEST_MM = np.iinfo(np.uint16).max


def make_previews(request: ClipRequest) -> DecoderReply[PreviewReply]:
    """Return a few small pictures of every stream that is of use; raises as `read_clip` does."""
    streams = open_files(request)
    if not streams:
        raise MissingStreamError(f"this model needs {' and '.join(request.streams)}; give one of them at least")
    if not any(stream in streams for stream in request.streams):  # it only helps to find the people: shown by itself
        request = replace(request, streams=tuple(streams))
    return DecoderReply(read_together(streams, replace(request, people="each"), _preview))


def _preview(streams: Streams, request: ClipRequest) -> PreviewReply:
    prepared, decided_by = was_prepared(streams, request)
    source = (PreparedSource if prepared else RawSource)(streams, request, decided_by)
    whole = source.alignment.whole(request.meta.start_s, request.meta.end_s)
    counts = whole.num_frames
    shown = source.alignment.sample(whole, min(_FRAMES, *counts.values()))
    sampled = source.choose(whole, request.spec.num_frames)
    length_s = whole.end - whole.start if source.alignment.by == "time" else None
    previews: dict[Stream, StreamPreview] = {}
    for stream in counts:
        with file_named(streams, stream):
            frames = [_shrink(frame) for frame in _frames(source, stream, shown[stream])]
            check_one_kind(frames)
            check_kind(stream, request.spec, is_measured=frames[0].ndim == 2)
        previews[stream] = StreamPreview(
            num_frames=counts[stream],
            fps=counts[stream] / length_s if length_s else None,
            sampled=(sampled[stream] - whole.ranges[stream][0]).tolist() if stream in sampled else [],
        )
        _add_pictures(previews[stream], frames)
        if stream == "depth" and frames[0].ndim == 2 and streams[stream][1].unit_mm is None:
            previews[stream].likely_scale_mm = _likely_scale(frames, request.meta.depth_scale_mm or 1.0)
    with all_named(streams):
        for stream, preview in previews.items():
            preview.views = _views(source, stream, shown[stream], request)
    return PreviewReply(**previews, preparation=_preparation(source, request))


def _frames(source: PreparedSource | RawSource, stream: Stream, numbers: Indices) -> Iterator[Frame]:
    """Yield the frames as they came: one at a time, for hundreds of whole ones take much memory."""
    one_by_one = np.split(numbers, len(numbers))
    if isinstance(source, PreparedSource):
        groups = source.read(0, stream, one_by_one)
    else:
        _, done = source.views[0]
        groups = in_groups(lambda wanted: done.uncut(stream, wanted), one_by_one)
    return (frame for (frame,) in groups)


def _views(
    source: PreparedSource | RawSource, stream: Stream, numbers: Indices, request: ClipRequest
) -> list[ViewPreview]:
    if isinstance(source, PreparedSource):
        return [whole_view(len(numbers), request.spec)]
    return [raw_view(person, done, stream, numbers, request.spec) for person, done in source.views]


def _preparation(source: PreparedSource | RawSource, request: ClipRequest) -> PreviewPreparation:
    done, person = source.prepared, source.subjects[0].person
    knows_pairs = request.preparation is not None and request.preparation.has_mutual_actions
    return PreviewPreparation(
        was_prepared=done.was_prepared,
        decided_by=done.decided_by,
        num_people=done.num_people,
        person=None if source.num_subjects > 1 and knows_pairs else person,
    )


def _add_pictures(preview: StreamPreview, frames: Sequence[Frame]) -> None:
    if frames[0].ndim == 3:
        pictures = [frame.astype(np.uint8, copy=False) for frame in frames]
    else:
        preview.near_mm, preview.far_mm = near, far = _depth_range(frames)
        encoding = DepthEncoding(near_mm=near, far_mm=far)
        pictures = encode_depth([frame.astype(np.uint16, copy=False) for frame in frames], encoding)
    files = (encode_image(".jpg", picture, jpeg_quality=_QUALITY) for picture in pictures)
    preview.frames = ["data:image/jpeg;base64," + b64encode(file).decode() for file in files]


def _shrink(frame: Frame) -> Frame:
    height, width = frame.shape[:2]
    if width <= _WIDTH:
        return frame
    size = (_WIDTH, max(1, round(height * _WIDTH / width)))
    if frame.ndim == 3:
        return cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    # A mean of near and far lies where nothing is, so depth is picked, not averaged.
    return cv2.resize(frame, size, interpolation=cv2.INTER_NEAREST).astype(np.uint16, copy=False)


def _depth_range(frames: Sequence[Frame]) -> tuple[int, int]:
    """Return (near, far) millimetres between which nearly all lies that was measured."""
    measured = _measured(frames)
    near, far = np.percentile(measured, _PERCENTILES) if measured.size else (1, 1)
    near_mm = min(int(near), _FARTHEST_MM - 1)
    return near_mm, min(max(near_mm, int(far)) + 1, _FARTHEST_MM)


def _likely_scale(frames: Sequence[Frame], unit_mm: float) -> float | None:
    """Return another unit at which people would be where they usually are; None where they are there already."""
    measured = _measured(frames)
    return likely_unit(float(np.median(measured)), unit_mm) if measured.size else None


def _measured(frames: Sequence[Frame]) -> NDArray[np.uint16]:
    return np.concatenate([frame[frame > 0] for frame in frames]).astype(np.uint16, copy=False)
