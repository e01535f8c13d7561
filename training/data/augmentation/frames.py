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


@dataclass(frozen=True)
class Span:
    """A part of the recording, so that a motion is faster or slower, and begins earlier or later."""

    share: tuple[float, float]
    name = "span"

    @property
    def is_active(self) -> bool:
        """Whether any recording is not read from end to end."""
        return self.share[0] < 1

    def choose(self, frames: NDArray[np.int64], num_frames: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the indices pushed together into a part that lies anywhere; its share is drawn from the range."""
        share = float(rng.uniform(*self.share))
        start = float(rng.uniform(0, (1 - share) * num_frames))
        return np.minimum((start + share * frames).astype(np.int64), num_frames - 1)
