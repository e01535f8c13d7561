"""A preparation that goes on: of a stream without end, later frames are masked and cropped as the first were."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from rgbd.clip.prepared_recording import PreparedRecording
from rgbd.people.boxes import roomier_box
from rgbd.people.clip_boxes import ClipBoxes
from rgbd.people.individuals import Individual, follow, mask_of
from rgbd.people.masked_depth import masked
from rgbd.types import Box, Depth, Frame, Mask, Stream

_MEMORY = 30  # frames: who is not seen in as many has left
_MOSTLY = 0.9  # of a person: an arm may reach out of the box, a step may not


class OngoingPreparation:
    """Keeps of each frame what the data set would hold of it, and follows a person.

    The background, the box and the registration are those of the first frames, by which they were found.
    """

    def __init__(
        self, prepared: PreparedRecording, people: list[Individual], person: Individual | None, room: float
    ) -> None:
        """Take those first frames, prepared for everybody in them.

        person: whom to keep; None: all of the people. room: how much wider and higher the box is made than it had to
        be for them, since people reach farther later.
        """
        self._everybody = prepared.bodies
        self._people, self._person = people, person
        self._prepared = _with_room(
            prepared if person is None else prepared.of_person(people.index(person), people), room
        )
        self._num_known = prepared.kept.num_frames
        self._num_frames = self._num_outside = 0

    @property
    def box_px(self) -> Box | None:
        """What is cut out of each frame; None where that changed in the first frames, or nothing is cut."""
        return self._prepared.boxes.only if self._prepared.boxes.roi != "whole" else None

    @property
    def num_outside(self) -> int:
        """In how many of the last frames, one after another, the people were not mostly inside the box, or not seen."""
        return self._num_outside

    def keep(self, frames: Mapping[Stream, Frame]) -> dict[Stream, Frame]:
        """Return what is kept of the next frames, uint8 RGB [H, W, 3] and uint16 millimetres [H, W]."""
        number, kept = self._num_frames, dict(frames)
        self._num_frames += 1
        if self._everybody is not None:
            depth = frames["depth"].astype(np.uint16, copy=False)
            mask = self._mask(number, depth)
            if self._prepared.masked is not None:
                kept["depth"] = masked(depth, mask)
            self._num_outside = 0 if self._is_inside(mask, number) else self._num_outside + 1
        streams = self._prepared.preparation.streams
        return {stream: self._prepared.keep(stream, kept[stream], number) for stream in streams}

    def _mask(self, number: int, depth: Depth) -> Mask:
        """Return which pixels are those of whom is kept."""
        assert self._everybody is not None
        mask = self._everybody.mask_at(number, depth)
        if self._person is None:
            return mask
        if number >= self._num_known:
            follow(self._people, number, depth, mask, self._everybody.camera, _MEMORY)
        if self._person not in self._people:
            return np.zeros_like(mask)
        person = self._people.index(self._person)
        return mask_of(person, self._people, number, depth, mask, self._everybody.camera)

    def _is_inside(self, mask: Mask, number: int) -> bool:
        x0, y0, x1, y1 = self._prepared.box_in("depth", number)
        inside = mask[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
        num_pixels = int(np.count_nonzero(mask))
        return num_pixels > 0 and int(np.count_nonzero(inside)) >= _MOSTLY * num_pixels


def _with_room(prepared: PreparedRecording, room: float) -> PreparedRecording:
    """Return the same with one box for all frames that come, the last one, with some room."""
    boxes = prepared.boxes
    if boxes.roi in ("whole", "legacy"):
        return prepared
    box = roomier_box(boxes.boxes[-1], prepared.frame_size, room)
    return replace(prepared, boxes=ClipBoxes(boxes.roi, (box,)))
