"""How something goes from one value to another."""

import math


def half_cosine(first: float, last: float, progress: float) -> float:
    """Return the value at a share of the way, which begins and ends flat; from 1 on it is the last."""
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
