"""Depth in metres, as floating point, in whole millimetres: what 16 bits hold, and what all else here works with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rgbd.errors import MediaError
from rgbd.types import Depth

METRES_UNIT_MM = 1.0
"""The unit in which depth in metres is handed on."""

_FARTHEST_MM = np.iinfo(np.uint16).max
_TOLD_FROM = 0.01  # of what a stream measures, that it lies too far: a pixel here and there is noise


class Metres:
    """Makes millimetres of the frames of one stream, and counts what lies too far for them."""

    def __init__(self) -> None:
        self._num_measured = self._num_far = 0

    def millimetres(self, frame: NDArray[np.floating[Any]], name: str) -> Depth:
        """Return metres [H, W] in millimetres; NaN, infinity and what is no distance at all are 0, not measured.

        So is what lies beyond 65.535 m. Raises `MediaError`, naming `name`, where all of it does, and the numbers are
        as large as millimetres are.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            distances = np.rint(frame.astype(np.float64) * 1000)
        is_measured = np.isfinite(frame) & (distances > 0)
        is_far = is_measured & (distances > _FARTHEST_MM)
        num_measured, num_far = int(np.count_nonzero(is_measured)), int(np.count_nonzero(is_far))
        if num_far and num_far == num_measured and np.median(frame[is_far]) <= _FARTHEST_MM:
            raise MediaError(
                f"{name}: floating-point depth is read as metres, and half of this is farther than "
                f"{np.median(frame[is_far]):.4g} m; save millimetres as uint16"
            )
        self._num_measured += num_measured
        self._num_far += num_far
        return np.where(is_measured & ~is_far, distances, 0).astype(np.uint16)

    @property
    def too_far(self) -> tuple[str, ...]:
        """What of the frames so far lies beyond 65.535 m, in words; nothing where that is little."""
        if self._num_far <= _TOLD_FROM * self._num_measured:
            return ()
        share = 100 * self._num_far / self._num_measured
        return (f"{share:.3g} % of its distances are beyond 65.535 m, and taken as not measured",)
