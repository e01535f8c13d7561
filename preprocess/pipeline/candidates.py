"""Of several files that may be meant, none is taken for the others."""

from collections.abc import Sequence
from pathlib import Path

from rgbd.errors import DatasetError


def the_only(candidates: Sequence[Path], meant: str) -> Path | None:
    """Return the one file or folder that is there for what is meant; None where there is none.

    Raises `DatasetError` with all of them where there are several.
    """
    if len(candidates) > 1:
        names = ", ".join(map(str, sorted(candidates)))
        raise DatasetError(f"{meant} may be any of {names}; move all but one of them elsewhere")
    return candidates[0] if candidates else None
