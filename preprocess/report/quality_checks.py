"""Which processed clips look wrong, and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rgbd.dataset.records import ClipRecord
from rgbd.types import Box, Size

_OUTLIER_SPREADS = 3  # times the width of the middle half away from the median
_LEAST_SPREAD = 0.3  # of that width, as a natural logarithm: a third more or less
_SHORT_FRAMES = 16  # the reference drops clips that are no longer; a network of 64 frames sees each four times
_BORDER_SHARE = 0.15  # of a depth box's side outside the depth frame: what is there cannot have been measured


@dataclass(frozen=True)
class Suspicion:
    """A clip that looks wrong: the reasons in words, and how bad they are together, from 0 to 1 each."""

    record: ClipRecord
    reasons: tuple[str, ...]
    badness: float


def find_suspicious(records: Sequence[ClipRecord]) -> list[Suspicion]:
    """Return the clips among those done that look wrong, the worst first."""
    low, high = _usual_coverage(records)
    found = []
    for record in records:
        reasons = list(_reasons(record, low, high))
        if reasons:
            found.append(Suspicion(record, tuple(words for words, _ in reasons), sum(bad for _, bad in reasons)))
    return sorted(found, key=lambda suspicion: (-suspicion.badness, suspicion.record.clip))


def _usual_coverage(records: Iterable[ClipRecord]) -> tuple[float, float]:
    """Return what is not yet unusual; in proportions, because near people cover many times as much as far ones."""
    shares = [record.mask_coverage for record in records if record.mask_coverage]
    if not shares:
        return 0.0, 1.0
    first, median, third = np.percentile(np.log(shares), (25, 50, 75))
    spread = _OUTLIER_SPREADS * max(third - first, _LEAST_SPREAD)
    return float(np.exp(median - spread)), float(np.exp(median + spread))


def _reasons(record: ClipRecord, low: float, high: float) -> Iterable[tuple[str, float]]:
    if record.outdated is not None:
        yield f"made with other settings than the rest: {record.outdated}", 0.5
    if record.last_failure is not None:
        yield f"could not be done again, and is as it was before: {record.last_failure}", 0.3
    if record.empty_masks:
        share = record.empty_masks / max(record.num_frames, 1)
        yield f"{record.empty_masks} of {record.num_frames} depth frames show no body", 0.3 + 0.7 * share
    elif record.mask_coverage is not None and not low <= record.mask_coverage <= high:
        size = "little" if record.mask_coverage < low else "much"
        yield f"the masks keep unusually {size}: {record.mask_coverage:.1%} of a depth frame", 0.5
    if record.rgb_frames_in is not None and record.depth_frames_in is not None:
        # Where times are known, depth may come at another rate: what counts is the colour that is left out.
        together = record.num_frames if record.aligned_by == "time" else record.depth_frames_in
        difference = abs(record.rgb_frames_in - together)
        if difference:
            share = difference / max(record.rgb_frames_in, together)
            yield f"{record.rgb_frames_in} colour frames, {record.depth_frames_in} of depth", min(1.0, 0.1 + 2 * share)
    if record.roi == "clip" and record.box_color_px and record.color_size:
        sides = touched_sides(record.box_color_px, record.color_size)
        if sides:
            yield f"the box touches the {' and the '.join(sides)} of the frame", 0.2
    if record.box_depth_px and record.depth_size and _outside(record.box_depth_px, record.depth_size) > _BORDER_SHARE:
        yield "a good part of the box lies outside the depth frame", 0.3
    if record.registration == "stretch" and record.color_size != record.depth_size:
        yield "depth was stretched over colour: nothing registers the two cameras", 0.2
    if record.num_frames <= _SHORT_FRAMES:
        yield f"only {record.num_frames} frames", 0.2


def touched_sides(box: Box, size: Size) -> list[str]:
    """Return which edges of a frame of `size` (width, height) a box lies on."""
    x0, y0, x1, y1 = box
    touched = {"left edge": x0 <= 0, "top": y0 <= 0, "right edge": x1 >= size[0], "bottom": y1 >= size[1]}
    return [side for side, touches in touched.items() if touches]


def _outside(box: Box, size: Size) -> float:
    """Return the largest share of a side of the box that lies outside the frame."""
    return max(max(0, -box[axis], box[axis + 2] - size[axis]) / max(box[axis + 2] - box[axis], 1) for axis in (0, 1))
