"""What is asked of a recording: its files, what is said of them, and what the model takes of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rgbd.clip.appearance import Appearance
from rgbd.clip.spec import ClipSpec
from rgbd.errors import UserError
from rgbd.recording.limits import Limits
from rgbd.types import Stream


@dataclass(frozen=True)
class StreamFile:
    """A file, or a folder of frames, that was given for a stream: where it lies, and what messages call it."""

    stream: Stream
    path: Path
    name: str


@dataclass(frozen=True)
class RecordingMeta:
    """What is said of a recording beside its files, and which part of it is meant.

    depth_scale_mm: millimetres of one step of 16-bit depth. fps: frames a second, where the files do not say.
    depth_fps: depth's, where it differs. start_s, end_s: where the motion begins and ends, from the first moment that
    all streams show; None: the end. Raises `UserError` for what makes no sense.
    """

    depth_scale_mm: float = 1.0
    fps: float | None = None
    depth_fps: float | None = None
    start_s: float = 0.0
    end_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("depth_scale_mm", "fps", "depth_fps"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise UserError(f"{name} {value!r}: is no number above 0; leave it out where it is not known")
        if not 0 <= self.start_s < math.inf:
            raise UserError(f"start_s {self.start_s!r}: is no number of seconds from 0 on")
        if self.end_s is not None and not self.end_s > self.start_s:
            raise UserError(f"end_s {self.end_s!r}: must lie behind start_s {self.start_s!r}")


@dataclass(frozen=True)
class ClipRequest:
    """What is to be read: files, what is said of them, and what the model takes.

    Of the `streams` one may be missing if the other is `enough`. The clip is cut into `num_windows` equal parts.
    `trained_on` says what the clips look like that the model was trained on.
    """

    files: tuple[StreamFile, ...]
    meta: RecordingMeta
    limits: Limits
    spec: ClipSpec
    streams: tuple[Stream, ...]
    enough: tuple[Stream, ...] = ()
    num_windows: int = 1
    trained_on: Mapping[Stream, Appearance] = field(default_factory=dict)
