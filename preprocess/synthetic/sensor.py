"""What the sensors make of the truth: noise in both images, holes in depth."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.cameras import Floats

RANGE_M = (0.5, 8.0)  # a Kinect v2 measures no further

# Millimetres at 0 m, and what every square metre adds: about 7 mm at 3 m, as published measurements of the sensor.
_NOISE_MM, _NOISE_MM_PER_M2 = 0.9, 0.65
_EDGE_SHARE = 0.04  # neighbours that differ by more of their nearness are an edge, where light of both mixes
_EDGE_HOLES = 0.55  # of the edge pixels of a full-size image; smaller images have larger pixels
_FULL_WIDTH = 512
_DROPOUT_SIGMAS = 3.1
_COLOR_NOISE = 6  # the highest value of the colour noise, whose middle is half of it
_SPARE_PX = 64  # tiles are that much larger than images: each frame cuts another piece


def _any_piece(height: int, width: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """Return the rows and columns of a random piece of a tile."""
    top, left = rng.integers(0, _SPARE_PX, 2).tolist()
    return slice(top, top + height), slice(left, left + width)


@lru_cache(maxsize=2)
def _color_tile(height: int, width: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(1)
    grey = rng.normal(_COLOR_NOISE / 2, 1.3, (height + _SPARE_PX, width + _SPARE_PX, 1))
    noise = grey + rng.normal(0, 0.6, (*grey.shape[:2], 3))
    return np.clip(np.rint(noise), 0, _COLOR_NOISE).astype(np.uint8)


@lru_cache(maxsize=2)
def _depth_tiles(height: int, width: int) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return normal noise, a mask of edges that get lost, and a mask of dropouts that come in blobs."""
    rng = np.random.default_rng(2)
    shape = (height + _SPARE_PX, width + _SPARE_PX)
    blobs = cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), 1.0)
    dropouts = blobs > _DROPOUT_SIGMAS * blobs.std()
    return (
        rng.standard_normal(shape).astype(np.float32),
        rng.random(shape) < _EDGE_HOLES * width / _FULL_WIDTH,
        dropouts,
    )


def darken_for_noise(color: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the image less the middle of the noise that `add_color_noise` adds."""
    return cv2.subtract(color, np.full_like(color, _COLOR_NOISE // 2)).astype(np.uint8, copy=False)


def add_color_noise(color: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the colours that the camera records of an image from `darken_for_noise`, uint8 [H, W, 3]."""
    height, width = color.shape[:2]
    noise = _color_tile(height, width)[_any_piece(height, width, rng)]
    return cv2.add(color, noise).astype(np.uint8, copy=False)


def measure_depth(depth_m: Floats, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return what the depth camera records of float32 metres [H, W]: uint16 millimetres, 0 where it sees nothing.

    Noise grows with the square of the distance; holes are edges, dropouts, and what lies out of range.
    """
    height, width = depth_m.shape
    normal, lost_edges, dropouts = _depth_tiles(height, width)
    piece = _any_piece(height, width, rng)
    noise_mm = (depth_m * depth_m * np.float32(_NOISE_MM_PER_M2) + np.float32(_NOISE_MM)) * normal[piece]
    measured = np.rint(depth_m * np.float32(1000) + noise_mm)
    # 1/z is linear in the pixels of a plane, however slanted: its Laplacian is zero but at edges.
    nearness = 1 / depth_m
    is_edge = np.abs(cv2.Laplacian(nearness, cv2.CV_32F)) > np.float32(_EDGE_SHARE) * nearness
    lost = (is_edge & lost_edges[piece]) | dropouts[piece] | (depth_m < RANGE_M[0]) | (measured > RANGE_M[1] * 1000)
    measured[lost] = 0
    return np.asarray(measured, np.uint16)
