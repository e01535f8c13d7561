"""Stage 2, depth: what a real sensor does to distances, in millimetres.

Sources: Khoshelham and Elberink 2012 (Sensors 12) for random errors and steps that grow with the square of the
distance, because the sensor measures disparity, its reciprocal; Nguyen et al. 2012 (3DIMPVT), who measured nearly the
same errors. What holes look like, and how errors of neighbouring pixels are related, was compared with recordings of a
Kinect.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbd.types import Depth, Frame, Mask, Stream
from training.config.augmentation import DepthNoiseConfig
from training.data.augmentation.stages import each_once

_METRE_MM = 1000
_FARTHEST_MM = np.iinfo(np.uint16).max
_IS_EDGE = 0.08  # of the distance, over three pixels; the floor of a room stays below it
_EDGE_PX = 3  # how much wider on the whole the band is whose pixels can be lost
_BLOBS = (12, 16)  # rows and columns of the random field that makes them: how large they are in the picture
_RAGGED = 0.25  # how much the fine field moves their outlines
_TURN = math.pi / 4  # of the field from a clip's first frame to its last: blobs change slowly
_FINE_PX = 3  # size of what flickers: outlines of blobs, and pieces of edges
_BLUR_PX = 0.6  # of random fields: errors of neighbours correlate by 0.3, as in 320x240 pixels of a Kinect


@dataclass(frozen=True)
class DepthNoise:
    """Holes, random errors and steps of the distance. What was not measured, 0, stays so."""

    config: DepthNoiseConfig
    name = "depth_noise"
    stream: ClassVar[Stream] = "depth"

    @property
    def is_active(self) -> bool:
        """Whether any clip gets noise."""
        return self.config.probability > 0

    def change(self, frames: Sequence[Frame], rng: np.random.Generator) -> Sequence[Frame]:
        """Return the frames with noise, or as they are; 8-bit images, which are refused later, too."""
        if rng.random() >= self.config.probability:
            return frames
        blobs = _Blobs(float(rng.uniform(0, self.config.blob_loss)), rng.standard_normal((2, *_BLOBS), np.float32))
        turns = iter(np.linspace(0, _TURN, len(frames)))

        def noisy(frame: Frame) -> Frame:
            if frame.ndim == 3:
                return frame
            depth, turn = frame.astype(np.uint16, copy=False), next(turns)
            fine = _fine_field(depth.shape, rng)
            lost = _largest(fine, _near_edges(depth), self.config.edge_loss) | blobs.lost(depth, turn, fine)
            return np.where((depth > 0) & ~lost, _measured_again(depth, self.config, rng), np.uint16(0))

        return each_once(frames, noisy)


@dataclass(frozen=True)
class _Blobs:
    """Where a clip's pixels are lost together: in hair, in what shines or swallows light."""

    share: float
    fields: NDArray[np.float32]

    def lost(self, depth: Depth, turn: float, fine: NDArray[np.float32]) -> Mask:
        """Return the measured pixels that are lost, a share of them."""
        coarse = math.cos(turn) * self.fields[0] + math.sin(turn) * self.fields[1]
        field = cv2.resize(coarse, depth.shape[::-1], interpolation=cv2.INTER_CUBIC) + _RAGGED * fine
        return _largest(field, depth > 0, self.share)


def _near_edges(depth: Depth) -> Mask:
    """Return the measured pixels near others that are much nearer or farther, or were not measured."""
    square = np.ones((3, 3), np.uint8)
    far = cv2.dilate(depth, square)
    edges = (far - cv2.erode(depth, square)) > _IS_EDGE * far
    band = cv2.dilate(edges.astype(np.uint8), np.ones((_EDGE_PX, _EDGE_PX), np.uint8))
    return np.asarray((band > 0) & (depth > 0))


def _measured_again(depth: Depth, config: DepthNoiseConfig, rng: np.random.Generator) -> Depth:
    """Return distances with errors, in steps; meaningless where they are 0."""
    distance = depth.astype(np.float32)
    if config.jitter_mm > 0:
        sigma = config.jitter_mm * (distance / _METRE_MM) ** 2
        distance += sigma * _smooth_noise(depth.shape, rng)
    if config.step_mm > 0:
        # Equal steps of the reciprocal are steps of the distance that grow with its square.
        scale = _METRE_MM**2 / config.step_mm
        distance = np.asarray(scale / np.maximum(np.rint(scale / np.maximum(distance, 1)), 1), np.float32)
    return np.clip(np.rint(distance), 1, _FARTHEST_MM).astype(np.uint16)


def _fine_field(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a random field in which what is above a threshold is some pixels wide."""
    smaller = _smooth_noise(tuple(-(-side // _FINE_PX) for side in shape), rng)
    return np.asarray(cv2.resize(smaller, shape[::-1], interpolation=cv2.INTER_CUBIC))


def _smooth_noise(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return Gaussian noise of standard deviation 1 whose neighbouring pixels are related."""
    kernel = cv2.getGaussianKernel(2 * math.ceil(3 * _BLUR_PX) + 1, _BLUR_PX, cv2.CV_32F)
    kernel = np.asarray(kernel / np.linalg.norm(kernel), np.float32)
    return np.asarray(cv2.sepFilter2D(rng.standard_normal(shape, np.float32), -1, kernel, kernel))


def _largest(field: NDArray[np.float32], where: Mask, share: float) -> Mask:
    """Return that share of the pixels of `where` in which the field is largest."""
    if share == 0 or not where.any():
        return np.zeros_like(where)
    return np.asarray(where & (field >= np.quantile(field[where], 1 - share)))
