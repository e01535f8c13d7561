"""How long batches take."""

_SHARE = 0.2  # of the newest measurement in the mean


class Pace:
    """A running mean of the seconds that a batch took, for each number of clips."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}

    def note(self, batch: int, seconds: float) -> None:
        """Take a measurement into account."""
        known = self._seconds.get(batch, seconds)
        self._seconds[batch] = known + _SHARE * (seconds - known)

    def seconds(self, batch: int) -> float:
        """Return how long a batch is expected to take: 0 before the first was measured.

        A number of clips that was not seen yet takes as long, for each clip, as the nearest that was.
        """
        if not self._seconds:
            return 0.0
        nearest = min(self._seconds, key=lambda known: abs(known - batch))
        return self._seconds[nearest] * batch / nearest
