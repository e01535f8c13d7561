"""Stage 1, which frames of a recording are read."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rgbd.clip.sampling import draw_per_bin


@dataclass(frozen=True)
class OnePerBin:
    """One frame from each bin of the recording, whatever was chosen before. Source: docs/method.md, "Sampling"."""

    name = "frames"
    is_active = True

    def choose(self, frames: NDArray[np.int64], num_frames: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return an index drawn uniformly from each bin."""
        return draw_per_bin(num_frames, len(frames), rng)
