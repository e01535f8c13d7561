"""What may be said of a recording, and asked of it; what is left out, or None, the service knows better."""

from collections.abc import Mapping
from typing import Literal, TypedDict

TimelineFormat = Literal["json", "csv", "vtt"]
"""All of a time line, its events as a table, or as subtitles (WebVTT)."""


class RecordingOptions(TypedDict, total=False):
    """What is said of a recording beside its files.

    depth_scale_mm: the millimetres of one unit of 16-bit depth (as the file says, or else 1). fps, depth_fps: frames a
    second, for what knows no times. start_s, end_s: between which the motion is. rgb_track, depth_track: which is meant
    where a file has several of a kind. prepared: whether it was prepared as the training clips were (as its frames
    look). camera: names the depth camera; or intrinsics: its lens, fx, and where they are known fy, cx, cy, in pixels.
    """

    depth_scale_mm: float | None
    fps: float | None
    depth_fps: float | None
    start_s: float | None
    end_s: float | None
    rgb_track: str | None
    depth_track: str | None
    prepared: bool | None
    camera: str | None
    intrinsics: Mapping[str, float] | None


class PredictOptions(RecordingOptions, total=False):
    """What is asked of a clip, too.

    model, version: which answers, where several are served. top_k: how many labels the answer has (5). windows: in how
    many equal parts a long clip is looked at (1); the answer is their mean, with each part's own. people: whom it is
    about where several are found. accepted: which share of clips of known motions is to be taken for known, from 0.5 to
    0.99 (0.95).
    """

    model: str | None
    version: str | None
    top_k: int | None
    windows: int | None
    people: Literal["largest", "all", "each"] | None
    accepted: float | None


class TimelineOptions(RecordingOptions, total=False):
    """What is asked of a long recording, too.

    window_s: how long windows are (as the clips were that the model was trained on). top_k: how many labels each window
    has (5). model, version, people, accepted: as `PredictOptions` explains them.
    """

    window_s: float | None
    top_k: int | None
    model: str | None
    version: str | None
    people: Literal["largest", "all"] | None
    accepted: float | None
