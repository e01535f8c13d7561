"""What a section finds: a line of the table each."""

import math
from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class Row:
    """A figure or an outcome. limit: the most that `value` may be; reason: why it failed or was skipped."""

    what: str
    status: Status
    value: float | None = None
    unit: str = ""
    limit: float | None = None
    reason: str = ""


def compared(what: str, value: float, limit: float, unit: str = "") -> Row:
    """Return a figure that has a limit; what is no number is above it."""
    within = value <= limit
    reason = "" if within else f"{value:.3g} is above {limit:g}"
    return Row(what, "passed" if within else "failed", value if math.isfinite(value) else None, unit, limit, reason)


def measured(what: str, value: float, unit: str) -> Row:
    """Return a figure that has no limit."""
    return Row(what, "passed", value, unit)


def failed(what: str, reason: object) -> Row:
    """Return what did not work."""
    return Row(what, "failed", reason=str(reason))


def skipped(what: str, reason: str) -> Row:
    """Return what cannot be checked here."""
    return Row(what, "skipped", reason=reason)
