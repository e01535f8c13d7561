"""Record3D's RGBD videos: colour in the right half of each frame, and in the left half depth as hue, which is lossy.

Source: "RGBD Video Format" in github.com/marek-simonik/record3d-simple-wifi-streaming-demo, and the player in
record3d-wifi-streaming-and-rgbd-mp4-3d-video-demo there; the range of newer videos as their other readers take it.
"""

import json
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from pydantic import BaseModel, Field, ValidationError

from rgbd.camera.calibration import Intrinsics
from rgbd.errors import MediaError
from rgbd.recording.limits import Limits
from rgbd.recording.phone.lens import share_lens
from rgbd.recording.streams import Derived
from rgbd.recording.videos.video import VideoReader, open_video
from rgbd.types import Depth, Frame

_MARK = b'{"intrinsicMatrix"'
_TAIL_BYTES = 64 << 10  # where it stands, at the end of the file
_OLD_RANGE_M = (0.0, 3.0)  # of a video that does not say it
_RED = 0.02  # around it, of the whole circle, lies what was not measured, as compression leaves it
_LEAST_VIVID = 0.5  # saturation and value of a pixel that is depth; others are what compression mixes at edges
_REFERENCE = "intrinsicMatrix"

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Metres = Annotated[float, Field(ge=0, le=65)]


class _Metadata(BaseModel):
    intrinsicMatrix: Annotated[list[_Number], Field(min_length=9, max_length=9)]  # noqa: N815  the file's name for it
    rangeOfEncodedDepth: tuple[_Metres, _Metres] = _OLD_RANGE_M  # noqa: N815


class _Color(Derived):
    """The right halves."""

    is_depth = False

    def __init__(self, video: VideoReader) -> None:
        width, height = video.size[0] // 2, video.size[1]
        super().__init__(video, (width, height), lambda frame: frame[:, width : 2 * width])


class _HueDepth(Derived):
    """The left halves, in millimetres."""

    is_depth, unit_mm = True, 1.0

    def __init__(self, video: VideoReader, range_m: tuple[float, float]) -> None:
        width, height = video.size[0] // 2, video.size[1]
        super().__init__(video, (width, height), lambda frame: _depth_of_hue(frame[:, :width], range_m))
        near, far = range_m
        self.notes = (
            f"depth was stored as hue from {near:g} to {far:g} m in a video, which loses some of it, most at edges; "
            "export .r3d for all of it",
        )


def _depth_of_hue(frame: Frame, range_m: tuple[float, float]) -> Depth:
    """Return uint8 RGB [H, W, 3] as millimetres; 0 where it is red, pale or dark: not measured."""
    hue, saturation, value = cv2.split(cv2.cvtColor(frame.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2HSV))
    turn = hue / np.float32(360)
    is_depth = (turn >= _RED) & (turn <= 1 - _RED) & (saturation >= _LEAST_VIVID) & (value >= _LEAST_VIVID)
    near, far = range_m
    millimetres: Depth = np.where(is_depth, np.rint(1000 * (near + (far - near) * turn)), 0).astype(np.uint16)
    return millimetres


def is_hue_video(path: Path) -> bool:
    """Return whether a video is one of Record3D's."""
    return _MARK in _tail(path)


def open_hue_video(path: Path, limits: Limits) -> list[Derived]:
    """Return colour and depth of an RGBD video; raises `MediaError` where it is damaged."""
    metadata = _metadata(path)
    videos = [open_video(path, limits) for _ in range(2)]  # each half counts its own frames
    first = videos[0][0]
    if len(videos[0]) != 1 or first.is_depth or first.size[0] < 2:
        raise MediaError(f"{path}: is no RGBD video of Record3D, though it says so; export it again")
    streams: list[Derived] = [_Color(videos[0][0]), _HueDepth(videos[1][0], metadata.rangeOfEncodedDepth)]
    fx, _, _, _, fy, _, cx, cy, _ = metadata.intrinsicMatrix  # column by column
    lens = Intrinsics(streams[0].size, fx, fy, cx, cy)
    share_lens(streams, lens if lens.can_be else None, _REFERENCE)
    return streams


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return file.read(_TAIL_BYTES)


def _metadata(path: Path) -> _Metadata:
    tail = _tail(path)
    text = tail[tail.rindex(_MARK) :].decode("utf-8", "replace")
    try:
        found, _ = json.JSONDecoder().raw_decode(text)
        metadata = _Metadata.model_validate(found)
        near, far = metadata.rangeOfEncodedDepth
        if near >= far:
            raise ValueError(f"depth from {near:g} to {far:g} m")
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise MediaError(f"{path}: its metadata are damaged ({place}: {first['msg']}); export it again") from error
    except (ValueError, RecursionError) as error:
        raise MediaError(f"{path}: its metadata are damaged ({error}); export it again") from error
    return metadata
