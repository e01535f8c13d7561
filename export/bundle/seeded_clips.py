"""Clips to try a graph with: made from a seed, or real ones of a processed data set."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbd.clip.spec import ClipSpec

_PATCHES = 7  # across a frame

Clip = NDArray[np.uint8]


def seeded_inputs(streams: Sequence[str], spec: ClipSpec, batch: int, seed: int = 0) -> dict[str, Clip]:
    """Return uint8 [batch, T, H, W, 3] for each stream: patches of colour that change smoothly, all different."""
    rng = np.random.default_rng(seed)
    return {stream: np.stack([_smooth_clip(rng, spec) for _ in range(batch)]) for stream in streams}


def _smooth_clip(rng: np.random.Generator, spec: ClipSpec) -> Clip:
    keys = rng.integers(0, 256, (spec.num_frames // 2 + 2, _PATCHES, _PATCHES, 3)).astype(np.float32)
    before, share = np.divmod(np.arange(spec.num_frames) / 2, 1)
    index, share = before.astype(int), share.astype(np.float32)[:, None, None, None]
    frames = keys[index] * (1 - share) + keys[index + 1] * share
    return np.stack([cv2.resize(frame, spec.size, interpolation=cv2.INTER_LINEAR) for frame in frames]).astype(np.uint8)
