"""Contact sheets of processed clips: the box in the raw frame, the crops with the masks' outlines, depth in colours."""

from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbd.clip.crop import letterbox
from rgbd.clip.depth_encoding import DepthEncoding, encode_depth
from rgbd.dataset.reading import read_frames
from rgbd.dataset.records import ClipRecord
from rgbd.dataset.store import ClipReader
from rgbd.errors import DatasetError, UserError
from rgbd.html_page import picture_address
from rgbd.recording.videos.video import read_video
from rgbd.types import Frame, Stream

_TILE = (160, 120)  # width, height
_NUM_TILES = 5
_BOX_COLOR, _OUTLINE_COLOR, _EMPTY_COLOR = (255, 196, 0), (255, 255, 255), (44, 48, 54)

Picture = NDArray[np.uint8]


def contact_sheet(record: ClipRecord, reader: ClipReader, raw_video: Path | None) -> str:
    """Return a JPEG image as a data: address: the frame with its box, and frames spread over the clip, a row a stream.

    Raises `UserError` for a clip whose frames cannot be read.
    """
    if not record.streams:
        raise DatasetError(f"{record.clip}: the record names no streams; preprocess it again")
    indices = np.linspace(0, record.num_frames - 1, _NUM_TILES).astype(int).tolist()
    frames = {stream: read_frames(reader, stream, record.clip, indices) for stream in record.streams}
    rows = [np.hstack([_tile(picture) for picture in _pictures(stream, frames)]) for stream in record.streams]
    corner = letterbox(_whole_frame(record, raw_video), (_TILE[0] * len(rows), _TILE[1] * len(rows)), _EMPTY_COLOR)
    return picture_address(np.hstack([corner, np.vstack(rows)]))


def _pictures(stream: Stream, frames: dict[Stream, list[Frame]]) -> list[Picture]:
    """Return the frames as colours, those of the colour stream with the outlines of what depth keeps."""
    images = frames[stream]
    if all(image.ndim == 2 for image in images):
        return encode_depth([image.astype(np.uint16, copy=False) for image in images], DepthEncoding(mode="centred"))
    pictures = [image.astype(np.uint8, copy=False).copy() for image in images]
    for picture, depth in zip(pictures, frames.get("depth", []), strict=False):
        if depth.ndim == 2 and depth.shape == picture.shape[:2]:
            contours, _ = cv2.findContours((depth > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
            cv2.drawContours(picture, contours, -1, _OUTLINE_COLOR, 2)
    return pictures


def _whole_frame(record: ClipRecord, raw_video: Path | None) -> Picture:
    """Return the raw frame, or an empty one of its shape where the raw video is not there, with the box drawn."""
    width, height = record.color_size or record.depth_size or _TILE
    frame = np.full((height, width, 3), _EMPTY_COLOR, np.uint8)
    if raw_video is not None:
        # A recording that has broken since leaves the frame empty: it is the clip's own frames that count.
        with suppress(UserError):
            frame = next(iter(read_video(raw_video)), frame).astype(np.uint8)
    box = record.box_color_px or record.box_depth_px
    if box:
        thickness = max(1, frame.shape[0] // 90)
        cv2.rectangle(frame, (box[0], box[1]), (box[2] - 1, box[3] - 1), _BOX_COLOR, thickness)
    return frame


def _tile(picture: Picture) -> Picture:
    return cv2.resize(picture, _TILE, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
