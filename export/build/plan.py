"""What can be made of a checkpoint, and what of it is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from export.build.calibration import Calibration, check_calibration
from export.bundle.manifest import Artifact, Precision
from export.runtimes.loading import unavailable_reason
from export.runtimes.registry import artifacts, formats, precisions, spec_of
from rgbd.errors import UserError
from rgbd.types import Stream


@dataclass(frozen=True)
class ExportOptions:
    """What a bundle is to hold; `data` is a processed data set with real clips to compare on.

    Without a version it gets one of its checkpoint. Without formats it holds what this machine can run; a runtime that
    builds on the machine which runs it is made where it is named, too. Of a fusion network, the streams in `alone` may
    come without the other. Without `max_batch` memory decides. live: whether it gets graphs for streams without end.
    """

    name: str = "motion"
    formats: Sequence[str] | None = None
    precisions: Sequence[Precision] | None = None
    data: Path | None = None
    answer_only: bool = False
    alone: Sequence[Stream] = ()
    max_batch: int | None = None
    calibration: Calibration | None = None
    version: str | None = None
    live: bool = False


def wanted(options: ExportOptions) -> tuple[Artifact, ...]:
    """Return what to make; raises `UserError` where a format or precision that is named can not be."""
    chosen = options.precisions or [name for name in precisions() if name != "int8" or options.calibration]
    if "int8" in chosen:
        check_calibration(options.calibration)
    known = formats()
    runtimes = {known[name].name for name in options.formats or known}
    asked = [item for item in artifacts() if item.precision in chosen and item.runtime in runtimes]
    reasons = {item.name: unavailable_reason(item) for item in asked}
    made = tuple(item for item in asked if not reasons[item.name] or _is_for_elsewhere(item, options))
    names = {name for item in made for name in (spec_of(item).format, item.precision)}
    left_out = [name for name in (*(options.formats or ()), *(options.precisions or ())) if name not in names]
    if left_out or not made:
        listed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items() if reason) or "no such combination"
        raise UserError(f"{', '.join(left_out) or 'nothing'}: cannot be made here ({listed}); leave it out")
    return made


def _is_for_elsewhere(artifact: Artifact, options: ExportOptions) -> bool:
    spec = spec_of(artifact)
    return spec.is_made_where_named and spec.format in (options.formats or ())
