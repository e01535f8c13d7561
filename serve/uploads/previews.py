"""Uploaded streams -> the small pictures that the page shows. Runs in decoder processes."""

from base64 import b64encode

import cv2
import numpy as np

from export.predictor.clip_request import ClipRequest
from export.predictor.frame_sources import PreparedSource
from export.predictor.opened_files import Streams, file_named, open_files, read_together
from rgbd.clip.depth_encoding import DepthEncoding, encode_depth
from rgbd.errors import MissingStreamError
from rgbd.recording.depth import check_one_kind
from rgbd.recording.stills.images import encode_image
from rgbd.types import Frame, Stream
from serve.schemas import PreviewReply, StreamPreview
from serve.uploads.ipc import DecoderReply

_FRAMES = 40
_WIDTH = 320
_QUALITY = 80
_PERCENTILES = (2, 98)  # of the depths in a clip: a few wild pixels must not flatten the colours


def make_previews(request: ClipRequest) -> DecoderReply[PreviewReply]:
    """Return a few small pictures of every stream that was sent; raises as `read_clip` does."""
    streams = open_files(request)
    if not streams:
        raise MissingStreamError(f"this model needs {' and '.join(request.streams)}; give one of them at least")
    return DecoderReply(PreviewReply(**read_together(streams, request, _preview)))


def _preview(streams: Streams, request: ClipRequest) -> dict[Stream, StreamPreview]:
    source = PreparedSource(streams, request, "looks")
    alignment = source.alignment
    whole = alignment.whole(request.meta.start_s, request.meta.end_s)
    counts = whole.num_frames
    shown = alignment.sample(whole, min(_FRAMES, *counts.values()))
    sampled = alignment.sample(whole, request.spec.num_frames)
    length_s = whole.end - whole.start if alignment.by == "time" else None
    previews = {}
    for stream in source.given:
        preview = StreamPreview(
            num_frames=counts[stream],
            fps=counts[stream] / length_s if length_s else None,
            sampled=(sampled[stream] - whole.ranges[stream][0]).tolist(),
        )
        (frames,) = source.read(0, stream, [shown[stream]])
        with file_named(streams, stream):
            check_one_kind(frames)
            _add_pictures(preview, frames)
        previews[stream] = preview
    return previews


def _add_pictures(preview: StreamPreview, frames: list[Frame]) -> None:
    if frames[0].ndim == 3:
        pictures = [_shrink(frame, cv2.INTER_AREA).astype(np.uint8, copy=False) for frame in frames]
    else:
        # A mean of near and far lies where nothing is, so depth is picked, not averaged.
        depth = [_shrink(frame, cv2.INTER_NEAREST) for frame in frames]
        preview.near_mm, preview.far_mm = near, far = _depth_range(depth)
        encoding = DepthEncoding(near_mm=near, far_mm=far)
        pictures = encode_depth([frame.astype(np.uint16, copy=False) for frame in depth], encoding)
    files = (encode_image(".jpg", picture, jpeg_quality=_QUALITY) for picture in pictures)
    preview.frames = ["data:image/jpeg;base64," + b64encode(file).decode() for file in files]


def _shrink(frame: Frame, interpolation: int) -> Frame:
    height, width = frame.shape[:2]
    if width <= _WIDTH:
        return frame
    size = (_WIDTH, max(1, round(height * _WIDTH / width)))
    small = cv2.resize(frame, size, interpolation=interpolation)
    return small.astype(np.uint8, copy=False) if frame.ndim == 3 else small.astype(np.uint16, copy=False)


def _depth_range(frames: list[Frame]) -> tuple[int, int]:
    """Return (near, far) millimetres between which nearly all lies that was measured."""
    measured = np.concatenate([frame[frame > 0] for frame in frames])
    near, far = np.percentile(measured, _PERCENTILES) if measured.size else (1, 1)
    return int(near), int(far) + 1
