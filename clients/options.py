"""What may be said of a recording, and asked of it; what is left out, or None, the service knows better."""

from collections.abc import Mapping
from typing import Literal, TypedDict

TimelineFormat = Literal["json", "csv", "vtt"]
"""All of a time line, its events as a table, or as subtitles (WebVTT)."""


class RecordingOptions(TypedDict, total=False):
    """What is said of a recording beside its files, as `Client.predict` explains it."""

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


class TimelineOptions(RecordingOptions, total=False):
    """What is asked of a long recording, too.

    window_s: how long windows are (as the clips were that the model was trained on). top_k: how many labels each window
    has (5). model, version, people, accepted: as `Client.predict` explains them.
    """

    window_s: float | None
    top_k: int | None
    model: str | None
    version: str | None
    people: Literal["largest", "all"] | None
    accepted: float | None
