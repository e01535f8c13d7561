"""How often each key may ask: so many times in any minute, by a clock that nobody sets."""

import math
import time
from collections import defaultdict, deque

_WINDOW_S = 60.0


class RateLimiter:
    """Counts requests by name, over the last minute.

    The clock is the system's monotonic one: libraries for this follow the wall clock, and where that is set back by a
    month, a key that is used up would stay locked out for as long.
    """

    def __init__(self) -> None:
        self._taken_s: defaultdict[str, deque[float]] = defaultdict(deque)

    def wait_s(self, name: str, per_minute: int) -> int:
        """Count a request and return 0; or return the seconds after which one would be counted again, at least 1."""
        now, taken = time.monotonic(), self._taken_s[name]
        while taken and taken[0] <= now - _WINDOW_S:
            taken.popleft()
        if len(taken) >= per_minute:
            # As many must end as are above the limit, which may have been lowered meanwhile.
            return max(1, math.ceil(taken[len(taken) - per_minute] + _WINDOW_S - now))
        taken.append(now)
        return 0
