"""What a script gives `load_model` and `predict`: values of any kind, checked before anything is computed."""

import math
import os
import reprlib
from operator import index
from pathlib import Path

import numpy as np

from rgbd.clip.rejection import LEAST_ACCEPTED, MOST_ACCEPTED
from rgbd.errors import UserError

_HUGE = 10**30  # written out, a whole number is longer than a message should be


def count(name: str, value: object) -> int:
    """Return a whole number from 1 on; raises `UserError` for anything else."""
    try:
        number = None if isinstance(value, bool) else index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None:
        raise UserError(f"{name} {shown(value)}: is no whole number; give one from 1 on")
    if number < 1:
        raise UserError(f"{name} {shown(number)}: must be 1 or more")
    return number


def path_of(name: str, value: object, remedy: str) -> Path:
    """Return the path that a value is; raises `UserError`, with what to give instead, where it is none."""
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(path, str):
        raise UserError(f"{name} {shown(value)}: is no path; give {remedy}")
    if not path:
        raise UserError(f"{name} '': names no file; give {remedy}")
    return Path(path)


def is_finite(value: object) -> bool:
    """Whether a value is a number, and not NaN, infinite, or larger than a float can be."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def check_accepted(share: float) -> None:
    """Raise `UserError` for what is no share of known motions that can be taken for known."""
    if not (is_finite(share) and LEAST_ACCEPTED <= share <= MOST_ACCEPTED):
        raise UserError(f"accepted {shown(share)}: give a share from {LEAST_ACCEPTED} to {MOST_ACCEPTED}")


def shown(value: object) -> str:
    """Return a value as a message can show it."""
    if isinstance(value, int) and abs(value) >= _HUGE:
        return "(a number of more than 30 digits)"
    return reprlib.repr(value)
