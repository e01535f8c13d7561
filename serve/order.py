"""Names in the order in which people number things."""

import re


def natural_order(name: str) -> list[tuple[int, str]]:
    """Return a key that puts frame10 behind frame9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
