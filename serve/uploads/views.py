"""What answers look at in a recording's pictures: boxes, and outlines of masks, for the page to draw."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbd.clip.prepared_recording import PreparedRecording
from rgbd.clip.spec import ClipSpec
from rgbd.recording.timeline import Indices
from rgbd.types import Mask, Size, Stream
from serve.schemas import ShareBox, ViewPreview

_DIGITS = 4  # of shares: a tenth of a pixel of the pictures
_LEAST_SHARE = 2e-4  # of a frame's pixels: smaller parts of a mask are too small to draw
_MOST_PARTS = 16  # of one mask
_SMOOTHING_SHARE = 0.003  # of a frame's width, by which a drawn outline may differ from its mask

Polygon = NDArray[np.float64]
"""Points (x, y) in depth pixels, float64 [N, 2]."""


def whole_view(num_frames: int, spec: ClipSpec) -> ViewPreview:
    """Return what is seen of frames that nothing is cut out of."""
    return ViewPreview(person=None, cut=[(0, 0, 1, 1)] * num_frames, seen=[_rounded(spec.seen)] * num_frames)


def raw_view(
    person: int | None, done: PreparedRecording, stream: Stream, numbers: Indices, spec: ClipSpec
) -> ViewPreview:
    """Return what is cut out and seen of a stream's frames, `numbers` among those that are kept, for a person."""
    in_depth: list[int] = done.kept.by_depth[numbers].tolist()
    size = _size(done, stream)
    cut = [_shares(np.array(done.box_in(stream, index), np.float64).reshape(2, 2), size) for index in in_depth]
    polygons = _polygons(done, in_depth)
    return ViewPreview(
        person=person,
        cut=[_box(corners) for corners in cut],
        seen=[_box(corners[0] + np.array(spec.seen).reshape(2, 2) * (corners[1] - corners[0])) for corners in cut],
        outlines=[[_points(polygon, done, stream) for polygon in parts] for parts in polygons],
    )


def _size(done: PreparedRecording, stream: Stream) -> Size:
    if stream == "rgb":
        return done.frame_size
    assert done.depth is not None
    return done.depth.size


def _polygons(done: PreparedRecording, in_depth: Sequence[int]) -> list[list[Polygon]]:
    """Return the outlines of what masks keep of these frames of depth; nothing where nothing is masked."""
    if done.masked is None:
        return []
    found = {index: _outlines(mask) for index, mask in done.masked.masks(np.unique(in_depth).tolist())}
    return [found.get(index, []) for index in in_depth]


def _outlines(mask: Mask) -> list[Polygon]:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    least = _LEAST_SHARE * mask.size
    parts = sorted((part for part in contours if cv2.contourArea(part) >= least), key=cv2.contourArea, reverse=True)
    smooth = (cv2.approxPolyDP(part, _SMOOTHING_SHARE * mask.shape[1], closed=True) for part in parts[:_MOST_PARTS])
    return [polygon.reshape(-1, 2).astype(np.float64) for polygon in smooth]


def _points(polygon: Polygon, done: PreparedRecording, stream: Stream) -> list[tuple[float, float]]:
    points = done.registration.to_color(polygon) if stream == "rgb" else polygon
    shares = _shares(points + 0.5, _size(done, stream)).round(_DIGITS)  # pixel centres lie at halves
    return [(x, y) for x, y in shares.tolist()]


def _shares(points: NDArray[np.float64], size: Size) -> NDArray[np.float64]:
    return points / np.array(size, np.float64)


def _box(corners: NDArray[np.float64]) -> ShareBox:
    (x0, y0), (x1, y1) = corners.tolist()
    return _rounded((x0, y0, x1, y1))


def _rounded(box: ShareBox) -> ShareBox:
    x0, y0, x1, y1 = box
    return round(x0, _DIGITS), round(y0, _DIGITS), round(x1, _DIGITS), round(y1, _DIGITS)
