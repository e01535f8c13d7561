"""Which box of the colour frame every frame of a clip is cropped to."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

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
from rgbd.recording.skeleton import Skeleton
from rgbd.types import Box, Size

RoiMode = Literal["clip", "tracked", "legacy", "whole"]


@dataclass(frozen=True)
class ClipBoxes:
    """The boxes of a clip: one for all frames, or one each; the last one holds for all frames after it."""

    boxes: tuple[Box, ...]

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
    warnings: list[str],
) -> ClipBoxes:
    """Return the boxes of a clip in frames of `frame_size`, telling what is wrong with them in `warnings`.

    Mode "whole" keeps all of the frame. The others follow the skeleton where there is one, else the masks, which takes
    a pass over them; "legacy" always follows the masks.
    """
    if mode == "whole":
        return ClipBoxes(((0, 0, *frame_size),))
    if mode == "legacy":
        return _legacy_boxes(masked, frame_size, warnings)
    if any(skeleton):
        points = [body_points(bodies) for bodies in skeleton]
    elif masked is not None:
        points = [mask_points(mask, registration) for mask in masked.masks()]
    else:
        points = []
    if not any(len(frame_points) for frame_points in points):
        warnings.append("no body was found; the middle of the frame was kept")
    if mode == "tracked":
        boxes = tuple(tracked_boxes(points, frame_size)) or (covering_box(np.empty((0, 2)), frame_size),)
    else:
        boxes = (covering_box(np.concatenate([np.empty((0, 2)), *points]), frame_size),)
    if cut := sum(not holds(ClipBoxes(boxes)[index], xy, frame_size) for index, xy in enumerate(points) if len(xy)):
        warnings.append(f"bodies spread over more than the largest 4:3 box of the frame; {cut} frames are cut")
    if left := sum(leaves(bodies, frame_size) for bodies in skeleton):
        warnings.append(f"a body leaves the picture in {left} of {len(skeleton)} frames")
    return ClipBoxes(boxes)


def _legacy_boxes(masked: MaskedDepth | None, frame_size: Size, warnings: list[str]) -> ClipBoxes:
    """Return one published box a frame; where there is none, the one before, or the middle of the frame."""
    middle = legacy_window((frame_size[0] // 2, frame_size[1] // 2), frame_size)
    if masked is None:
        warnings.append("there is no depth to find bodies in; the middle of the frame was kept")
        return ClipBoxes((middle,))
    found = [legacy_box(mask, frame_size) for mask in masked.masks()]
    if None in found:
        warnings.append(f"{found.count(None)} of {len(found)} frames have no contour; the box before was kept")
    boxes = [middle]
    for box in found:
        boxes.append(box or boxes[-1])
    return ClipBoxes(tuple(boxes[1:]))
