"""Stage 2, RGB: other light and another camera's colours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbd.types import Frame, Stream
from training.config.augmentation import PhotometricConfig
from training.data.augmentation.stages import each_once

_MID_GREY = 127.5
_LUMA = np.array([0.2989, 0.587, 0.114])  # ITU-R BT.601, as the guidance has it


@dataclass(frozen=True)
class Photometric:
    """Gamma, saturation, hue, contrast and brightness, drawn once a clip: all its frames change in the same way."""

    config: PhotometricConfig
    name = "photometric"
    stream: ClassVar[Stream] = "rgb"

    @property
    def is_active(self) -> bool:
        """Whether any clip changes."""
        return self.config.probability > 0

    def change(self, frames: Sequence[Frame], rng: np.random.Generator) -> Sequence[Frame]:
        """Return the frames in other colours; 16-bit depth, which is refused later, as it is."""
        if rng.random() >= self.config.probability:
            return frames
        curve, matrix = _draw(self.config, rng)
        return each_once(frames, lambda frame: frame if frame.ndim == 2 else _recolored(frame, curve, matrix))


def _draw(config: PhotometricConfig, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return the values of a curve, [256], and after it the 3x4 matrix of all that is linear in a colour."""
    gamma = math.exp(rng.uniform(*np.log(config.gamma)))  # half as often as twice
    saturation, contrast, brightness = (
        rng.uniform(*limits) for limits in (config.saturation, config.contrast, config.brightness)
    )
    hue = _turned_around_grey(math.radians(rng.uniform(*config.hue_deg)))
    grey = np.tile(_LUMA, (3, 1))
    colors = hue @ (saturation * np.eye(3) + (1 - saturation) * grey)
    # Contrast spreads colours from mid grey, and not from the mean of a frame, which differs from frame to frame.
    matrix = brightness * np.column_stack([contrast * colors, np.full(3, (1 - contrast) * _MID_GREY)])
    return np.rint(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8), matrix


def _turned_around_grey(angle: float) -> NDArray[np.float64]:
    """Return the rotation of RGB by `angle` radians around the axis of greys, from red towards green."""
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    return math.cos(angle) * np.eye(3) + (1 - math.cos(angle)) / 3 + math.sin(angle) * cross


def _recolored(frame: Frame, curve: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.asarray(cv2.transform(cv2.LUT(frame, curve), matrix), np.uint8)
