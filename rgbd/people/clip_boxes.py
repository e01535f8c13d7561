"""Which box of the colour frame every frame of a clip is cropped to."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rgbd.camera.registration import Registration
from rgbd.people.boxes import (
    body_points,
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
from rgbd.types import Box, Size

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
    used: Collection[int] | None = None,
) -> ClipBoxes:
    """Return the boxes of a clip in frames of `frame_size`, one for all of them, or one for each depth frame.

    Mode "whole" keeps all of the frame. The others follow the skeleton where there is one, else the masks, which takes
    a pass over them; "legacy" always follows the masks. used: the numbers of the depth frames whose people count; None
    for all.
    """
    whole = ClipBoxes("whole", ((0, 0, *frame_size),))
    if mode == "whole":
        return whole
    if mode == "legacy":
        return _legacy_boxes(masked, frame_size)
    if any(skeleton):
        points = [body_points(bodies) for bodies in skeleton]
    elif masked is not None:
        points = [mask_points(mask, registration) for mask in masked.masks()]
    else:
        points = []
    if used is not None:
        points = [xy if index in used else np.empty((0, 2)) for index, xy in enumerate(points)]
    if not any(len(frame_points) for frame_points in points):
        return replace(whole, warnings=("no body was found; the whole frame was kept",))
    if mode == "tracked":
        boxes = ClipBoxes(mode, tuple(tracked_boxes(points, frame_size)))
    else:
        boxes = ClipBoxes(mode, (covering_box(np.concatenate(points), frame_size),))
    return replace(boxes, warnings=tuple(_box_warnings(boxes, points, skeleton, frame_size)))


def _box_warnings(
    boxes: ClipBoxes, points: Sequence[NDArray[np.float64]], skeleton: Skeleton, frame_size: Size
) -> Iterator[str]:
    if cut := sum(not holds(boxes[index], xy, frame_size) for index, xy in enumerate(points) if len(xy)):
        yield f"bodies spread over more than the largest 4:3 box of the frame; {cut} frames are cut"
    if left := sum(leaves(bodies, frame_size) for bodies in skeleton):
        yield f"a body leaves the picture in {left} of {len(skeleton)} frames"


def _legacy_boxes(masked: MaskedDepth | None, frame_size: Size) -> ClipBoxes:
    """Return one published box a frame; where there is none, the one before, or the middle of the frame."""
    middle = legacy_window((frame_size[0] // 2, frame_size[1] // 2), frame_size)
    if masked is None:
        return ClipBoxes(
            "legacy", (middle,), ("there is no depth to find bodies in; the middle of the frame was kept",)
        )
    found = [legacy_box(mask, frame_size) for mask in masked.masks()]
    boxes = [middle]
    for box in found:
        boxes.append(box or boxes[-1])
    warning = f"{found.count(None)} of {len(found)} frames have no contour; the box before was kept"
    return ClipBoxes("legacy", tuple(boxes[1:]), (warning,) if None in found else ())
