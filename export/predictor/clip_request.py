"""What is asked of a recording: its files, what is said of them, and what the model takes of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from export.predictor.arguments import is_finite, shown
from rgbd.clip.appearance import Appearance
from rgbd.clip.spec import ClipSpec
from rgbd.errors import UserError
from rgbd.recording.depth import check_unit
from rgbd.recording.limits import Limits
from rgbd.types import Stream

_LOWEST_FPS, _HIGHEST_FPS = 1e-6, 1e6  # a frame in eleven days, and what the fastest cameras take


@dataclass(frozen=True)
class StreamFile:
    """A file, or a folder of frames, that was given for a stream: where it lies, and what messages call it."""

    stream: Stream
    path: Path
    name: str


@dataclass(frozen=True)
class RecordingMeta:
    """What is said of a recording beside its files, and which part of it is meant.

    depth_scale_mm: millimetres of one step of 16-bit depth; None: as its file says, or else 1. fps: frames a second,
    where the files do not say. depth_fps: depth's, where it differs. start_s, end_s: where the motion begins and ends,
    from the first moment that all streams show; None: the end. rgb_track, depth_track: what the file calls the stream
    that is meant, where it has several of a kind. Raises `UserError` for what makes no sense.
    """

    depth_scale_mm: float | None = None
    fps: float | None = None
    depth_fps: float | None = None
    start_s: float = 0.0
    end_s: float | None = None
    rgb_track: str | None = None
    depth_track: str | None = None

    def __post_init__(self) -> None:
        for name in ("depth_scale_mm", "fps", "depth_fps"):
            value = getattr(self, name)
            if value is not None and not (is_finite(value) and value > 0):
                raise UserError(f"{name} {shown(value)}: is no number above 0; leave it out where it is not known")
        # With a tiny one all depth is 0, and the answer says so.
        if self.depth_scale_mm is not None and self.depth_scale_mm > 1:
            check_unit(self.depth_scale_mm)
        for name in ("fps", "depth_fps"):
            value = getattr(self, name)
            if value is not None and not _LOWEST_FPS <= value <= _HIGHEST_FPS:
                raise UserError(
                    f"{name} {value!r}: no camera takes that many frames a second; leave it out, or correct it"
                )
        if not (is_finite(self.start_s) and self.start_s >= 0):
            raise UserError(
                f"start_s {shown(self.start_s)}: is no number of seconds from 0 on; leave it out, or correct it"
            )
        if self.end_s is not None and not (is_finite(self.end_s) and self.end_s > self.start_s):
            raise UserError(
                f"end_s {shown(self.end_s)}: must lie behind start_s {self.start_s!r}, or be left out for the end"
            )
        for name in ("rgb_track", "depth_track"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise UserError(f"{name} {shown(value)}: is no name; give one that the file has, or leave it out")

    @property
    def tracks(self) -> dict[Stream, str]:
        """The names of tracks by stream, as far as they are given."""
        told: dict[Stream, str | None] = {"rgb": self.rgb_track, "depth": self.depth_track}
        return {stream: name for stream, name in told.items() if name is not None}


@dataclass(frozen=True)
class ClipRequest:
    """What is to be read: files, what is said of them, and what the model takes.

    Of the `streams` one may be missing if the other is `enough`. The clip is cut into `num_windows` equal parts.
    Where `windows_need_frames`, each must have a frame of its own. `trained_on` says what the clips look like that the
    model was trained on.
    """

    files: tuple[StreamFile, ...]
    meta: RecordingMeta
    limits: Limits
    spec: ClipSpec
    streams: tuple[Stream, ...]
    enough: tuple[Stream, ...] = ()
    num_windows: int = 1
    windows_need_frames: bool = False
    trained_on: Mapping[Stream, Appearance] = field(default_factory=dict)
