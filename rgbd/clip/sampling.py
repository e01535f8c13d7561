"""Which frames of a recording stand for it.

Source: docs/method.md, "Sampling". Bin i of T covers the integers
range(int(n*i/T), max(int(n*i/T)+1, int(n*(i+1)/T))), so a recording shorter than T repeats frames.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def _bins(num_frames: int, num_bins: int) -> list[range]:
    if num_frames < 1:
        raise ValueError(f"a recording needs at least one frame, got {num_frames}")
    starts = [num_frames * i // num_bins for i in range(num_bins + 1)]
    return [range(start, max(start + 1, end)) for start, end in pairwise(starts)]


def bin_centres(num_frames: int, num_bins: int) -> NDArray[np.int64]:
    """Return the int64 [num_bins] frame indices used outside training: the mean of each bin, rounded down."""
    return np.array([(bin_[0] + bin_[-1]) // 2 for bin_ in _bins(num_frames, num_bins)], np.int64)


def draw_per_bin(num_frames: int, num_bins: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return int64 [num_bins] frame indices, one drawn uniformly from each bin, as training wants them."""
    return np.array([rng.integers(bin_.start, bin_.stop) for bin_ in _bins(num_frames, num_bins)], np.int64)


def spread_per_bin(num_frames: int, num_bins: int, share: float) -> NDArray[np.int64]:
    """Return int64 [num_bins] frame indices at a share in [0, 1) of each bin, for several views of one recording."""
    return np.array([bin_[int(len(bin_) * share)] for bin_ in _bins(num_frames, num_bins)], np.int64)
