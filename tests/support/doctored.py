"""Answers of a service that is newer, or older, than what reads them."""

from collections.abc import Collection
from typing import Any


def doctored(answer: Any, without: Collection[str] = ()) -> Any:
    """Return an answer whose objects all have a field that nobody knows, and none that is empty or named in `without`.

    Null and empty lists are what optional fields hold.
    """
    if isinstance(answer, list):
        return [doctored(part, without) for part in answer]
    if not isinstance(answer, dict):
        return answer
    kept = {name: part for name, part in answer.items() if part not in (None, []) and name not in without}
    return {name: doctored(part, without) for name, part in kept.items()} | {"new_in_2030": {"of": ["any", 1, "kind"]}}
