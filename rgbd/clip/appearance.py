"""What the frames of a clip look like, compared with those that a network was trained on.

A network answers whatever it is given. A recording as the camera wrote it, uncropped and with its background, is
answered wrongly more often than not by one that has learnt from prepared clips.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from rgbd.clip.crop import OUTPUT_SIZE
from rgbd.types import Frame, Stream

_SHAPE_TOLERANCE = 1.05  # another crop of the same camera differs by more, rounding to whole pixels by less
_HEIGHT_TOLERANCE = 1.5  # a camera's smallest usual picture, 640x480, is twice as high as what preprocessing writes
_EMPTY_TOLERANCE = 0.15  # of the pixels: what a sensor does not measure is a tenth, and a masked background over a half
_LEAST_MASKED = 0.5  # of the pixels that are empty: where people are cut out, and nothing more is known
_LEAST_FILLED = 1 / 3  # of what the emptiest training clip holds: there a person was small, and here is hardly anything
_BLACK = 16  # below this an 8-bit depth image shows nothing, after JPEG too

_Share = Annotated[float, Field(ge=0, le=1)]


class Appearance(BaseModel):
    """What the clips of one stream look like: the lowest and the highest value of any of them.

    aspect_ratio: a frame's width over its height. height_px: its height. empty_share: of depth, the share of the pixels
    that hold nothing; None for colour.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    aspect_ratio: tuple[PositiveFloat, PositiveFloat]
    height_px: tuple[PositiveInt, PositiveInt]
    empty_share: tuple[_Share, _Share] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "Appearance":
        for low, high in (self.aspect_ratio, self.height_px, self.empty_share or (0, 0)):
            if low > high:
                raise ValueError(f"the lowest value, {low}, is above the highest, {high}")
        return self


@dataclass(frozen=True)
class Look:
    """What one clip looks like: the size of its frames in pixels, and of depth the share of them that is empty."""

    width: int
    height: int
    empty_share: float | None

    @property
    def aspect_ratio(self) -> float:
        """Width over height."""
        return self.width / self.height


def look_of(frames: Sequence[Frame], stream: Stream) -> Look:
    """Return what a clip looks like by some of its frames, uint8 [H, W, 3] or uint16 [H, W]."""
    height, width = frames[0].shape[:2]
    empty_share = float(np.mean([_empty_share(frame) for frame in frames])) if stream == "depth" else None
    return Look(width, height, empty_share)


def _empty_share(frame: Frame) -> float:
    empty = frame == 0 if frame.ndim == 2 else (frame < _BLACK).all(axis=2)
    return float(np.mean(empty))


def appearance_of(looks: Iterable[Look]) -> Appearance:
    """Return what clips of these looks, at least one, have in common."""
    looks = list(looks)
    ratios, heights = [look.aspect_ratio for look in looks], [look.height for look in looks]
    shares = [look.empty_share for look in looks if look.empty_share is not None]
    return Appearance(
        aspect_ratio=(min(ratios), max(ratios)),
        height_px=(min(heights), max(heights)),
        empty_share=(min(shares), max(shares)) if shares else None,
    )


def presumed_appearance(resize: tuple[int, int]) -> Appearance:
    """Return what prepared clips look like, for a model that knows only what it resizes frames to, (width, height)."""
    ratio, heights = resize[0] / resize[1], sorted((resize[1], OUTPUT_SIZE[1]))
    return Appearance(aspect_ratio=(ratio, ratio), height_px=(heights[0], heights[1]))


def differences(look: Look, trained_on: Appearance) -> list[str]:
    """Return in words how a clip looks unlike all that a model was trained on; nothing where it looks like them."""
    found = []
    if not _is_within(look.aspect_ratio, trained_on.aspect_ratio, _SHAPE_TOLERANCE):
        found.append(
            f"its frames, {look.width}x{look.height}, have another shape ({look.aspect_ratio:.2f}:1 instead of "
            f"{_range(trained_on.aspect_ratio, '.2f')}:1)"
        )
    if not _is_within(look.height, trained_on.height_px, _HEIGHT_TOLERANCE):
        found.append(f"its frames are {look.height} pixels high instead of {_range(trained_on.height_px, 'd')}")
    if look.empty_share is not None and trained_on.empty_share is not None:
        found += _emptiness(look.empty_share, trained_on.empty_share)
    return found


def shows_background(look: Look, trained_on: Appearance) -> bool:
    """Return whether depth shows more than all clips, which were masked, that a model was trained on."""
    low = trained_on.empty_share[0] if trained_on.empty_share is not None else _LEAST_MASKED
    return look.empty_share is not None and look.empty_share < low - _EMPTY_TOLERANCE


def _emptiness(empty_share: float, trained_on: tuple[float, float]) -> list[str]:
    """Return in words how much less, or more, of depth is empty than of all clips that a model was trained on."""
    low, high = trained_on
    shares = f"({100 * empty_share:.0f} % of it is empty, instead of {_range((100 * low, 100 * high), '.0f')} %)"
    if empty_share == 1:
        return [f"nothing of it was measured {shares}, or depth_scale_mm is wrong"]
    if empty_share > high + _EMPTY_TOLERANCE:
        return [f"its background is masked, or little of it was measured {shares}"]
    if 1 - empty_share < _LEAST_FILLED * (1 - high):
        return [f"almost nothing of it was measured {shares}, or depth_scale_mm is wrong"]
    if empty_share < low - _EMPTY_TOLERANCE:  # as `shows_background` says
        return [f"its background is not masked {shares}"]
    return []


def _is_within(value: float, limits: tuple[float, float], tolerance: float) -> bool:
    return limits[0] / tolerance <= value <= limits[1] * tolerance


def _range(limits: tuple[float, float], form: str) -> str:
    low, high = (format(limit, form) for limit in limits)
    return low if low == high else f"{low} to {high}"
