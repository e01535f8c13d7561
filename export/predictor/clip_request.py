"""What is asked of a recording: its files, what is said of them, and what the model takes of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from export.predictor.arguments import is_finite, shown
from export.predictor.decoded_clip import Whom
from rgbd.camera.intrinsics import DepthCamera
from rgbd.camera.sensors import SENSOR_NAMES, camera_as_told, find_sensor
from rgbd.clip.appearance import Appearance
from rgbd.clip.preparation import Preparation
from rgbd.clip.spec import ClipSpec
from rgbd.errors import UserError
from rgbd.recording.depth import check_unit
from rgbd.recording.limits import Limits
from rgbd.types import Size, Stream

_LENS = ("fx", "fy", "cx", "cy")
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
    that is meant, where it has several of a kind. prepared: whether it was prepared as the training clips were; None:
    its frames tell. camera: the name of the depth camera; or intrinsics, its lens in pixels: fx, and maybe fy, cx, cy.
    Raises `UserError` for what makes no sense.
    """

    depth_scale_mm: float | None = None
    fps: float | None = None
    depth_fps: float | None = None
    start_s: float = 0.0
    end_s: float | None = None
    rgb_track: str | None = None
    depth_track: str | None = None
    prepared: bool | None = None
    camera: str | None = None
    intrinsics: Mapping[str, float] | None = None

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

        if self.prepared is not None and not isinstance(self.prepared, bool):
            raise UserError(f"prepared {shown(self.prepared)}: is neither true nor false; leave it out to have it told")
        self._check_camera()

    def _check_camera(self) -> None:
        if self.camera is not None and not isinstance(self.camera, str):
            raise UserError(f"camera {shown(self.camera)}: is no name; give one of {', '.join(SENSOR_NAMES)}")
        if self.camera is not None:
            find_sensor(self.camera)
        if self.intrinsics is None:
            return
        if self.camera is not None:
            raise UserError("camera and intrinsics: both tell how wide depth sees; give one of them")
        told = self.intrinsics if isinstance(self.intrinsics, Mapping) else {}
        if "fx" not in told or not set(told) <= set(_LENS) or not all(map(is_finite, told.values())):
            raise UserError(
                f"intrinsics {shown(self.intrinsics)}: give fx, and fy, cx and cy where they are known, in pixels"
            )
        if told["fx"] <= 0 or told.get("fy", 1) <= 0:
            raise UserError(f"intrinsics {shown(self.intrinsics)}: fx and fy are pixels, above 0")

    def depth_camera(self, size: Size) -> DepthCamera | None:
        """Return the camera of depth frames of this (width, height), as far as it is told."""
        return camera_as_told(size, self.camera, **(self.intrinsics or {}))

    def fps_of(self, stream: Stream) -> float | None:
        """Return how many frames a second a stream has, as far as that is told."""
        return (self.depth_fps if stream == "depth" else None) or self.fps

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
    model was trained on, `preparation` what was done to their recordings, where that is known. `people`: whom answers
    are to be about; None: as the model was trained.
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
    preparation: Preparation | None = None
    people: Whom | None = None

    @property
    def useful_streams(self) -> tuple[Stream, ...]:
        """The streams that are of use, colour first: depth also tells where people are, and colour what to crop."""
        may_be_raw = self.preparation is not None and self.meta.prepared is not True
        return get_args(Stream) if may_be_raw else self.streams
