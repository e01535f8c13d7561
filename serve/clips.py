"""Uploaded streams -> the clips that the network takes, or the small pictures that the page shows.

Runs in decoder processes; what goes in and out of them is plain data.
"""

import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from export.bundle import Stream
from preprocess.clip import ClipSpec, build_clip, centred_geometry
from preprocess.depth import DepthEncoding, encode_depth
from preprocess.errors import MediaError
from preprocess.frames import Frame, encode_image
from preprocess.sampling import bin_centres
from serve.decode import Decoded, Limits, TooLargeError, read_stream
from serve.schemas import ClipMeta, StreamPreview

Result = TypeVar("Result")

_PREVIEW_FRAMES = 40
_PREVIEW_WIDTH = 320
_PREVIEW_QUALITY = 80
_PREVIEW_PERCENTILES = (2, 98)  # of the depths in a clip: a few wild pixels must not flatten the colours


@dataclass(frozen=True)
class Upload:
    """One stream of a request: where it was put, what the sender calls it, and which video track of it is meant."""

    stream: Stream
    path: Path
    filename: str
    track: int = 0


@dataclass(frozen=True)
class ClipRequest:
    """What a decoder process needs to know."""

    uploads: tuple[Upload, ...]
    meta: ClipMeta
    limits: Limits
    spec: ClipSpec


@dataclass(frozen=True)
class DecodedClip:
    """Per stream: uint8 [T, size, size, 3] and how many frames there were to choose from; and the time it took."""

    clips: dict[Stream, NDArray[np.uint8]]
    num_frames: dict[Stream, int]
    duration_s: float | None
    warnings: tuple[str, ...]
    decode_ms: float
    preprocess_ms: float


def decode_clip(request: ClipRequest) -> DecodedClip:
    """Return the request's clips, made as in training and evaluation.

    Raises `MediaError` (or one of its kinds), naming the stream, when one of them cannot be used.
    """
    clips: dict[Stream, NDArray[np.uint8]] = {}
    num_frames: dict[Stream, int] = {}
    seconds: list[float] = []
    decode_s = preprocess_s = 0.0
    for upload in request.uploads:
        start = time.perf_counter()
        decoded, (first, last) = _read(upload, request, lambda count: bin_centres(count, request.spec.num_frames))
        middle = time.perf_counter()
        clips[upload.stream] = _named(upload, partial(_build, decoded.frames, upload.stream, request))
        decode_s, preprocess_s = decode_s + middle - start, preprocess_s + time.perf_counter() - middle
        num_frames[upload.stream] = last - first
        fps = request.meta.fps or decoded.fps
        seconds += [(last - first) / fps] if fps else []
    warnings = _warnings(num_frames, request.spec)
    return DecodedClip(clips, num_frames, max(seconds, default=None), warnings, decode_s * 1000, preprocess_s * 1000)


def _read(
    upload: Upload, request: ClipRequest, sample: Callable[[int], NDArray[np.int64]]
) -> tuple[Decoded, tuple[int, int]]:
    """Return the frames that `sample` draws from so many, and the half-open range of frames that they stand for."""

    def cut(num_frames: int, fps: float | None) -> tuple[int, int]:
        return _cut(num_frames, request.meta.fps or fps, request.meta)

    def choose(num_frames: int, fps: float | None) -> list[int]:
        first, last = cut(num_frames, fps)
        return [first + int(index) for index in sample(last - first)]

    def read() -> Decoded:
        decoded = read_stream(upload.path, track=upload.track, choose=choose, limits=request.limits)
        if len({frame.ndim for frame in decoded.frames}) > 1:
            raise MediaError("mixes frames of 16-bit depth with 8-bit images; send each stream as its own file")
        return decoded

    decoded = _named(upload, read)
    return decoded, cut(decoded.num_frames, decoded.fps)


def _cut(num_frames: int, fps: float | None, meta: ClipMeta) -> tuple[int, int]:
    if num_frames == 0:
        raise MediaError("holds no frames; record it again")
    if meta.start_s == 0 and meta.end_s is None:
        return 0, num_frames
    if fps is None:
        raise MediaError("does not know its frame rate, so start_s and end_s mean nothing; send fps in meta too")
    first = round(meta.start_s * fps)
    last = num_frames if meta.end_s is None else min(num_frames, max(first + 1, round(meta.end_s * fps)))
    if first >= last:
        raise MediaError(f"lasts {num_frames / fps:.2f} s, so that nothing begins at start_s {meta.start_s:g}")
    return first, last


def _named(upload: Upload, work: Callable[[], Result]) -> Result:
    """Return what `work` returns; an error of it says which upload it is about, and nothing of our folders."""
    name = f"{upload.stream} ({upload.filename})"
    try:
        return work()
    except MediaError as error:
        reason = str(error).removeprefix(f"{upload.path}: ")
        raise type(error)(f"{name}: {reason}") from error
    except (MemoryError, cv2.error) as error:  # OpenCV reports in its own way that it got no memory
        raise TooLargeError(f"{name}: needs more memory than one clip may take; scale its frames down") from error


def _build(frames: list[Frame], stream: Stream, request: ClipRequest) -> NDArray[np.uint8]:
    _check_kind(frames, stream, request.spec)
    return build_clip(_in_millimetres(frames, request.meta), request.spec, centred_geometry(request.spec))


def _check_kind(frames: list[Frame], stream: Stream, spec: ClipSpec) -> None:
    """Raise `MediaError` when the frames are not of the kind that the model was trained on."""
    measured, wants_images = frames[0].ndim == 2, spec.depth.mode == "image"
    if stream == "rgb" and measured:
        raise MediaError("holds 16-bit depth; send it as depth, and the colour frames as rgb")
    if stream == "depth" and measured and wants_images:
        raise MediaError("holds 16-bit depth, but this model was trained on 8-bit depth images; send such images")
    if stream == "depth" and not measured and not wants_images:
        raise MediaError(
            "holds 8-bit images, but this model needs distances; send 16-bit PNG frames, 16-bit FFV1 video "
            "(gray16le), or a uint16 .npz"
        )


def _in_millimetres(frames: list[Frame], meta: ClipMeta) -> list[Frame]:
    """Return the frames of one stream; those that measure depth are scaled."""
    if frames[0].ndim == 3 or meta.depth_scale_mm == 1:
        return frames
    scaled = (np.rint(frame * np.float64(meta.depth_scale_mm)) for frame in frames)
    return [np.clip(frame, 0, 65535).astype(np.uint16) for frame in scaled]


def _warnings(num_frames: dict[Stream, int], spec: ClipSpec) -> tuple[str, ...]:
    warnings = [
        f"{stream} has {count} frames, fewer than the {spec.num_frames} that the model looks at; some were repeated"
        for stream, count in num_frames.items()
        if count < spec.num_frames
    ]
    if len(set(num_frames.values())) > 1:
        counts = " and ".join(f"{stream} {count}" for stream, count in num_frames.items())
        warnings.append(f"frames: {counts}; both were taken to begin and to end together")
    return tuple(warnings)


def make_previews(request: ClipRequest) -> dict[Stream, StreamPreview]:
    """Return a few small pictures of every stream; raises as `decode_clip` does."""
    return {upload.stream: _preview(upload, request) for upload in request.uploads}


def _preview(upload: Upload, request: ClipRequest) -> StreamPreview:
    decoded, (first, last) = _read(upload, request, lambda count: bin_centres(count, min(count, _PREVIEW_FRAMES)))
    frames = decoded.frames
    preview = StreamPreview(num_frames=last - first, fps=request.meta.fps or decoded.fps, frames=[])
    if frames[0].ndim == 3:
        pictures = [_shrink(frame, cv2.INTER_AREA).astype(np.uint8, copy=False) for frame in frames]
    else:
        # A mean of near and far lies where nothing is, so depth is picked, not averaged.
        depth = [_shrink(frame, cv2.INTER_NEAREST) for frame in _in_millimetres(frames, request.meta)]
        preview.near_mm, preview.far_mm = near, far = _depth_range(depth)
        encoding = DepthEncoding(near_mm=near, far_mm=far)
        pictures = encode_depth([frame.astype(np.uint16, copy=False) for frame in depth], encoding)
    files = (encode_image(".jpg", picture, jpeg_quality=_PREVIEW_QUALITY) for picture in pictures)
    preview.frames = ["data:image/jpeg;base64," + b64encode(file).decode() for file in files]
    return preview


def _shrink(frame: Frame, interpolation: int) -> Frame:
    height, width = frame.shape[:2]
    if width <= _PREVIEW_WIDTH:
        return frame
    size = (_PREVIEW_WIDTH, max(1, round(height * _PREVIEW_WIDTH / width)))
    small = cv2.resize(frame, size, interpolation=interpolation)
    return small.astype(np.uint8, copy=False) if frame.ndim == 3 else small.astype(np.uint16, copy=False)


def _depth_range(frames: list[Frame]) -> tuple[int, int]:
    """Return (near, far) millimetres between which nearly all lies that was measured."""
    measured = np.concatenate([frame[frame > 0] for frame in frames])
    near, far = np.percentile(measured, _PREVIEW_PERCENTILES) if measured.size else (1, 1)
    return int(near), int(far) + 1
