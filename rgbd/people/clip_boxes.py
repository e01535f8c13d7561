"""Which box of the colour frame every frame of a clip is cropped to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rgbd.camera.registration import Registration
from rgbd.people.boxes import (
    body_points,
    check_croppable,
    covering_box,
    holds,
    leaves,
    legacy_box,
    legacy_window,
    mask_points,
    tracked_boxes,
)
from rgbd.people.masked_depth import MaskedDepth
from rgbd.recording.skeletons.skeleton import Skeleton
from rgbd.recording.timeline import Indices
from rgbd.types import Box, Size

_STRIDE, _FEW_FRAMES = 3, 32  # a tenth of a second, in which nobody gets far beyond the margin of a box

RoiMode = Literal["clip", "tracked", "legacy", "whole"]


@dataclass(frozen=True)
class ClipBoxes:
    """The boxes of a clip: one for all frames, or one each; the last one holds for all frames after it.

    roi: how they were made, which is "whole" where nobody was found to make them otherwise. warnings: what is wrong
    with them, in words.
    """

    roi: RoiMode
    boxes: tuple[Box, ...]
    warnings: tuple[str, ...] = ()

    @property
    def only(self) -> Box | None:
        """The clip's one box, if there is but one."""
        return self.boxes[0] if len(set(self.boxes)) == 1 else None

    def __getitem__(self, index: int) -> Box:
        return self.boxes[min(index, len(self.boxes) - 1)]


def find_boxes(
    mode: RoiMode,
    frame_size: Size,
    skeleton: Skeleton,
    masked: MaskedDepth | None,
    registration: Registration,
    used: Indices,
) -> ClipBoxes:
    """Return the boxes of a clip in frames of `frame_size`, one for all of them, or one for each depth frame.

    Mode "whole" keeps all of the frame. The others follow the skeleton where there is one, else the masks, which takes
    a pass over some of them; "legacy" always follows the masks. used: the numbers of the depth frames whose people
    count, ascending.
    """
    whole = ClipBoxes("whole", ((0, 0, *frame_size),))
    if mode == "whole":
        return whole
    if mode == "legacy":
        return _legacy_boxes(masked, frame_size)
    points = _points(skeleton, masked, registration, used)
    if not any(len(frame_points) for frame_points in points):
        return replace(whole, warnings=("no body was found; the whole frame was kept",))
    if mode == "tracked":
        boxes = ClipBoxes(mode, tuple(tracked_boxes(points, frame_size)))
    else:
        boxes = ClipBoxes(mode, (covering_box(np.concatenate(points), frame_size),))
    return replace(boxes, warnings=tuple(_box_warnings(boxes, points, skeleton, frame_size)))


def _points(
    skeleton: Skeleton, masked: MaskedDepth | None, registration: Registration, used: Indices
) -> list[NDArray[np.float64]]:
    """Return what a box must hold of each depth frame: colour pixels, float64 [N, 2]; none of those not looked at."""
    if any(skeleton):
        counted = set(used.tolist())
        return [body_points(bodies) if index in counted else np.empty((0, 2)) for index, bodies in enumerate(skeleton)]
    if masked is None:
        return []
    places = looked_at(used)
    found = {place: mask_points(mask, registration) for place, mask in masked.masks(places)}
    return [found.get(index, np.empty((0, 2))) for index in range(places[-1] + 1)]


def looked_at(used: Indices) -> list[int]:
    """Return by which of these frames a box is made where masks have to be found for it: a third; all of a few."""
    places: list[int] = np.unique(used).tolist()
    return places if len(places) <= _FEW_FRAMES else sorted({*places[::_STRIDE], places[-1]})


def _box_warnings(
    boxes: ClipBoxes, points: Sequence[NDArray[np.float64]], skeleton: Skeleton, frame_size: Size
) -> Iterator[str]:
    seen = [(index, xy) for index, xy in enumerate(points) if len(xy)]
    if cut := sum(not holds(boxes[index], xy, frame_size) for index, xy in seen):
        yield f"bodies spread over more than the largest 4:3 box of the frame; {cut} of {len(seen)} frames are cut"
    if left := sum(leaves(bodies, frame_size) for bodies in skeleton):
        yield f"a body leaves the picture in {left} of {len(skeleton)} frames"


def _legacy_boxes(masked: MaskedDepth | None, frame_size: Size) -> ClipBoxes:
    """Return one published box a frame; where there is none, the one before, or the middle of the frame."""
    check_croppable(frame_size)
    middle = legacy_window((frame_size[0] // 2, frame_size[1] // 2), frame_size)
    if masked is None:
        return ClipBoxes(
            "legacy", (middle,), ("there is no depth to find bodies in; the middle of the frame was kept",)
        )
    found = [legacy_box(mask, frame_size) for _, mask in masked.masks()]
    boxes = [middle]
    for box in found:
        boxes.append(box or boxes[-1])
    warning = f"{found.count(None)} of {len(found)} frames have no contour; the box before was kept"
    return ClipBoxes("legacy", tuple(boxes[1:]), (warning,) if None in found else ())
