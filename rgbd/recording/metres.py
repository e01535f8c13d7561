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
            distances = np.multiply(frame, 1000, dtype=np.float64)
        np.rint(distances, out=distances)
        is_kept = (distances > 0) & (distances <= _FARTHEST_MM)
        num_kept = int(np.count_nonzero(is_kept))
        far = frame[(distances > _FARTHEST_MM) & np.isfinite(frame)]
        if far.size and not num_kept and np.median(far) <= _FARTHEST_MM:
            raise MediaError(
                f"{name}: floating-point depth is read as metres, and half of this is farther than "
                f"{np.median(far):.4g} m; save millimetres as uint16"
            )
        self._num_measured += num_kept + far.size
        self._num_far += far.size
        distances[~is_kept] = 0
        millimetres: Depth = distances.astype(np.uint16)
        return millimetres

    @property
    def too_far(self) -> tuple[str, ...]:
        """What of the frames so far lies beyond 65.535 m, in words; nothing where that is little."""
        if self._num_far <= _TOLD_FROM * self._num_measured:
            return ()
        share = 100 * self._num_far / self._num_measured
        return (f"{share:.3g} % of its distances are beyond 65.535 m, and taken as not measured",)
