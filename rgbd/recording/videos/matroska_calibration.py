"""What our own Matroska files say of their tracks beside frames and times: a JSON file that is attached to them."""

from contextlib import suppress
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rgbd.camera.calibration import Intrinsics, Pose, StreamCamera, Triple
from rgbd.errors import ConfigError
from rgbd.recording.depth import check_unit

CALIBRATION_FILE = "rgbd-calibration.json"

_MAX_BYTES = 1 << 20
_LATEST_MS = 10**15


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class AttachedLens(_Part):
    """One lens, in pixels of frames of this (width, height); `distortion` in the order of `model`."""

    size: tuple[int, int]
    fx: float
    fy: float
    cx: float
    cy: float
    model: str = ""
    distortion: tuple[float, ...] = ()


class AttachedPose(_Part):
    """From a camera to `reference`: place_there = rotation @ place_here + translation_m."""

    reference: str
    rotation: tuple[Triple, Triple, Triple]
    translation_m: Triple


class AttachedTrack(_Part):
    """What is known of the track of this title.

    is_timed: whether its times are known; else its frames stand thirty a second, in their order. unit_mm: how many
    millimetres one unit of its depth is. None is not known.
    """

    title: str
    is_timed: bool = True
    unit_mm: float | None = None
    lens: AttachedLens | None = None
    pose: AttachedPose | None = None

    @staticmethod
    def of(title: str, camera: StreamCamera, unit_mm: float | None, *, is_timed: bool) -> "AttachedTrack":
        """Return what is attached of a stream."""
        lens, pose = camera.intrinsics, camera.to_reference
        return AttachedTrack(
            title=title,
            is_timed=is_timed,
            unit_mm=unit_mm,
            lens=lens and AttachedLens(**vars(lens)),
            pose=pose and AttachedPose(reference=camera.reference, **vars(pose)),
        )

    @property
    def camera(self) -> StreamCamera:
        """The camera, as far as it can be."""
        lens = self.lens and Intrinsics(**dict(self.lens))
        if self.pose is None:
            return StreamCamera(lens if lens and lens.can_be else None)
        way = Pose.of_matrix([number for row in self.pose.rotation for number in row], self.pose.translation_m)
        return StreamCamera(lens if lens and lens.can_be else None, self.pose.reference, way)

    @property
    def possible_unit_mm(self) -> float | None:
        """The unit of depth; None where it is not known, or that of no camera."""
        with suppress(ConfigError):
            if self.unit_mm is not None:
                check_unit(self.unit_mm)
                return self.unit_mm
        return None


class AttachedCalibration(_Part):
    """The file; start_ms: what the recording's clock showed at the file's time 0."""

    version: Literal[1] = 1
    start_ms: int = Field(0, ge=-_LATEST_MS, le=_LATEST_MS)
    tracks: tuple[AttachedTrack, ...] = Field((), max_length=16)

    @staticmethod
    def read(data: bytes) -> "AttachedCalibration":
        """Return what is attached; raises `ValueError`, with the reason, for what cannot be read."""
        if len(data) > _MAX_BYTES:
            raise ValueError(f"it has {len(data)} bytes")
        try:
            return AttachedCalibration.model_validate_json(data)
        except ValidationError as error:
            raise ValueError(first_fault(error)) from error

    def track(self, title: str) -> AttachedTrack | None:
        """Return what is known of the track of this title."""
        return next((track for track in self.tracks if track.title == title), None)


def first_fault(error: ValidationError) -> str:
    """Return what is wrong first, and where, in one line."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]
