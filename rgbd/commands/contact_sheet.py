"""A picture of a recording: frames spread over it, colour, depth in colours, and depth over colour."""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbd.clip.crop import letterbox
from rgbd.clip.prepared_recording import PreparedRecording
from rgbd.recording.depth import in_millimetres
from rgbd.recording.streams import StreamReader, frame_of
from rgbd.types import Frame, Size, Stream

Picture = NDArray[np.uint8]
"""uint8 RGB [H, W, 3]."""

_NUM_TILES = 6
_TILE_HEIGHT = 200
_WIDEST = 2.0  # of a tile, in heights
_BOX, _EMPTY = (255, 196, 0), (44, 48, 54)
_NEAR_TO_FAR = (3, 97)  # percent of what is measured, over which colours are spread


def draw_sheet(prepared: PreparedRecording) -> Picture:
    """Return the sheet: a column for each moment, a row for each stream, one with both, and boxes that are cropped to.

    Depth lies over colour as it does in what preprocessing makes of it. Raises `MediaError` for what cannot be read.
    """
    frames = _frames(prepared)
    rows: list[list[Picture]] = []
    color = [frame.astype(np.uint8) for frame in frames.get("rgb", [])]
    boxed = [_with_box(prepared, frame, place) for place, frame in enumerate(color)]
    if color:
        rows.append(boxed)
    if "depth" in frames:
        drawn = _in_colors(frames["depth"], prepared.recording.depth_unit_mm)
        rows.append(drawn if color else [_with_box(prepared, picture, place) for place, picture in enumerate(drawn)])
        if color:
            rows.append([_over(prepared, frame, depth) for frame, depth in zip(boxed, drawn, strict=True)])
    size = _tile_size(rows[0][0])
    return np.vstack([np.hstack([letterbox(picture, size, _EMPTY) for picture in row]) for row in rows])


def _frames(prepared: PreparedRecording) -> dict[Stream, list[Frame]]:
    """Return frames spread over what is kept, of the streams that there are; those of a column were taken together."""
    kept = prepared.kept
    turns = np.unique(np.linspace(0, kept.num_frames - 1, _NUM_TILES).astype(int))
    readers: Mapping[Stream, StreamReader | None] = {"rgb": prepared.recording.rgb, "depth": prepared.depth}
    return {
        stream: _read(reader, [int(kept.places[stream][turn]) for turn in turns])
        for stream, reader in readers.items()
        if reader is not None
    }


def _read(reader: StreamReader, places: list[int]) -> list[Frame]:
    wanted = sorted(set(places))
    found = dict(zip(wanted, map(frame_of, reader.read(wanted)), strict=False))
    return [found[place] for place in places]


def _in_colors(depth: list[Frame], unit_mm: float) -> list[Picture]:
    """Return depth as colours, near ones warm; what was not measured is black. 8-bit images stay as they are."""
    if any(frame.ndim != 2 for frame in depth):
        return [frame.astype(np.uint8) for frame in depth]
    frames = [in_millimetres(frame.astype(np.uint16, copy=False), unit_mm) for frame in depth]
    measured = np.concatenate([frame[frame > 0] for frame in frames])
    near, far = np.percentile(measured, _NEAR_TO_FAR) if measured.size else (0.0, 1.0)
    pictures = []
    for frame in frames:
        nearness = np.clip((far - frame.astype(np.float32)) / max(far - near, 1.0), 0, 1)
        colors = cv2.cvtColor(
            cv2.applyColorMap((nearness * 255).astype(np.uint8), cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB
        )
        pictures.append(np.where(frame[:, :, None] > 0, colors, 0).astype(np.uint8))
    return pictures


def _over(prepared: PreparedRecording, color: Picture, depth: Picture) -> Picture:
    """Return colour with half of depth over it, where that was measured."""
    matrix = np.array(prepared.registration.matrix)
    laid = cv2.warpAffine(depth, matrix, color.shape[1::-1], flags=cv2.INTER_NEAREST)
    return np.where(laid.any(axis=2, keepdims=True), (color // 2 + laid // 2), color).astype(np.uint8)


def _with_box(prepared: PreparedRecording, color: Picture, place: int) -> Picture:
    if prepared.boxes.roi == "whole":
        return color
    x0, y0, x1, y1 = prepared.boxes.only or prepared.boxes[place]
    picture = np.ascontiguousarray(color).copy()
    cv2.rectangle(picture, (x0, y0), (x1 - 1, y1 - 1), _BOX, max(1, color.shape[0] // 120))
    return picture


def _tile_size(picture: Picture) -> Size:
    height, width = picture.shape[:2]
    return round(_TILE_HEIGHT * min(width / height, _WIDEST)), _TILE_HEIGHT
