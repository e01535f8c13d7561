"""How long batches take."""

import time

_SHARE = 0.2  # of the newest measurement in the mean
_FRESH_S = 30.0  # whom an old measurement sends away brings no new one: in the end somebody must be let in to try


class Latency:
    """A running mean of the seconds that a batch took, for each number of clips; what grows old is forgotten."""

    def __init__(self) -> None:
        self._measured: dict[int, tuple[float, float]] = {}  # the mean, and when it was taken

    def note(self, batch: int, seconds: float) -> None:
        """Take a measurement into account."""
        known = self._fresh().get(batch, seconds)
        self._measured[batch] = known + _SHARE * (seconds - known), time.monotonic()

    def seconds(self, batch: int) -> float:
        """Return how long a batch is expected to take: 0 while none was measured lately.

        A number of clips that was not seen lately takes as long, for each clip, as the nearest that was.
        """
        fresh = self._fresh()
        if not fresh:
            return 0.0
        nearest = min(fresh, key=lambda known: abs(known - batch))
        return fresh[nearest] * batch / nearest

    def _fresh(self) -> dict[int, float]:
        since = time.monotonic() - _FRESH_S
        return {batch: mean for batch, (mean, taken) in self._measured.items() if taken > since}
