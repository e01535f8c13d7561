"""Depth videos of LeRobot's data sets: distances as numbers of 12 bits, which meta/info.json of the data set explains.

Source: `lerobot.datasets.depth_utils` and `lerobot.configs.video` in github.com/huggingface/lerobot.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from rgbd.errors import MediaError
from rgbd.recording.limits import Limits
from rgbd.recording.streams import Derived
from rgbd.recording.videos.video import QUANTISED_BITS, VideoReader, open_video

_INFO = Path("meta") / "info.json"
_LEVELS_UP = 6  # from a video in videos/KEY/chunk-000 or videos/chunk-000/KEY, and a little more
_MAX_INFO_BYTES = 4 << 20
_MARKS = ("is_depth_map", "video.is_depth_map")
_NUM_CODES = 1 << QUANTISED_BITS

_Metres = Annotated[float, Field(ge=0, le=65)]


class _Quantisation(BaseModel):
    """How metres became numbers: 0 is `depth_min`, 4095 is `depth_max`, evenly or in the logarithm of depth + shift."""

    depth_min: _Metres = Field(alias="video.depth_min")
    depth_max: _Metres = Field(alias="video.depth_max")
    shift: Annotated[float, Field(ge=-65, le=1000)] = Field(alias="video.shift")
    use_log: bool = Field(alias="video.use_log")

    @property
    def can_be(self) -> bool:
        return self.depth_min < self.depth_max and (not self.use_log or self.depth_min + self.shift > 0)

    @property
    def metres(self) -> NDArray[np.float64]:
        """Of each number, [4096]."""
        steps = np.linspace(0, 1, _NUM_CODES)
        if not self.use_log:
            return self.depth_min + (self.depth_max - self.depth_min) * steps
        near, far = np.log(self.depth_min + self.shift), np.log(self.depth_max + self.shift)
        found = np.exp(near + (far - near) * steps) - self.shift
        return np.asarray(np.clip(found, self.depth_min, self.depth_max), np.float64)


class QuantisedDepth(Derived):
    """A video's track of such numbers, in millimetres; the number 0, which all has that lies too near, is 0."""

    is_depth, unit_mm = True, 1.0

    def __init__(self, video: VideoReader, quantisation: _Quantisation) -> None:
        video.refusal = None  # it is known what its numbers mean
        metres = quantisation.metres
        millimetres = np.rint(1000 * metres).astype(np.uint16)
        millimetres[0] = 0
        super().__init__(video, video.size, lambda codes: millimetres[np.minimum(codes, _NUM_CODES - 1)])
        steps = 1000 * np.diff(metres)
        self.notes = (
            f"depth was quantised to 12 bits from {metres[0]:g} to {metres[-1]:g} m, in steps of {steps.min():.2g} to "
            f"{steps.max():.2g} mm" + (", and a lossy codec has blurred it" if video.is_lossy else ""),
        )


def is_lerobot_depth(path: Path) -> bool:
    """Return whether a video lies in a data set of LeRobot that says how its depth became numbers."""
    return _said(path) is not None


def open_lerobot_depth(path: Path, limits: Limits) -> list[QuantisedDepth]:
    """Return the depth of such a video; raises `MediaError` where the data set says what cannot be."""
    try:
        quantisation = _Quantisation.model_validate(_said(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise MediaError(
            f"{path}: {_INFO} of its data set says how its depth became numbers, but not rightly "
            f"({'.'.join(map(str, first['loc']))}: {first['msg']}); correct it"
        ) from error
    if not quantisation.can_be:
        raise MediaError(
            f"{path}: {_INFO} of its data set says that depth is from {quantisation.depth_min:g} to "
            f"{quantisation.depth_max:g} m with a shift of {quantisation.shift:g} m, which cannot be; correct it"
        )
    videos = open_video(path, limits)
    if len(videos) != 1 or not videos[0].is_quantised:
        raise MediaError(
            f"{path}: is depth of LeRobot by {_INFO} of its data set, but no video of 12-bit grey (gray12le), which "
            "alone is read; encode it again"
        )
    return [QuantisedDepth(videos[0], quantisation)]


def _said(path: Path) -> dict[str, Any] | None:
    """Return what the data set above a video says of how depth became numbers; None where it says nothing."""
    whole = path.resolve()
    for folder in list(whole.parents)[1:_LEVELS_UP]:
        info = _read(folder / _INFO)
        features = info.get("features") if isinstance(info, dict) else None
        if isinstance(features, dict):
            keys = [key for key in whole.relative_to(folder).parts if key in features]
            return _depth_of(features[keys[-1]]) if keys else None
    return None


def _depth_of(feature: object) -> dict[str, Any] | None:
    """Return what is said of a feature, if that is depth which was quantised."""
    said: dict[str, Any] = {}
    for name in ("video_info", "info"):
        part = feature.get(name) if isinstance(feature, dict) else None
        said |= part if isinstance(part, dict) else {}
    return said if any(said.get(mark) is True for mark in _MARKS) and "video.depth_min" in said else None


def _read(path: Path) -> object:
    """Return what a file of JSON says; None where there is none that can be read."""
    try:
        if not path.is_file() or path.stat().st_size > _MAX_INFO_BYTES:
            return None
        found: object = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found
