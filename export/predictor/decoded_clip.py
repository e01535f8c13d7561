"""What becomes of a recording's files: clips, and what was found on the way. All of it goes between processes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from rgbd.camera.registration import RegistrationSource
from rgbd.clip.alignment import AlignedBy, Part
from rgbd.people.masked_depth import MaskSource
from rgbd.types import Box, Size, Stream

DecidedBy = Literal["meta", "bundle", "format", "looks"]
"""What tells whether a recording was prepared: the request's meta; the bundle, which can do nothing else; the format of
a file, which only cameras and data sets write; or what its frames look like."""

PeopleChoice = Literal["largest", "all", "each"]
"""Whom an answer is about: the person of whom most is seen, all together, or each on their own."""

TogetherChoice = Literal["largest", "all"]
"""The same, where there can be but one answer."""

LiveChoice = Literal["largest", "nearest", "all", "whole"]
"""Whom a live stream is about: the person of whom most is seen, the one nearest to the camera, all together; or nobody
is looked for, and whole frames are taken."""

Whom = PeopleChoice | Literal["nearest"] | int
"""Whom an answer is about, or one of the people by their number, 1 being the largest."""


class Subject(BaseModel):
    """Whom a clip shows: a person, 1 being the largest, or all together, None.

    box_px: what was cut out of each frame; None where that is another part of every frame, or all was cut before.
    mask_coverage: which share of the sampled depth frames masks keep; None where nothing was masked.
    """

    person: int | None = None
    box_px: Box | None = None
    mask_coverage: float | None = None


class PreparedAs(BaseModel):
    """What was done to a recording before clips were cut from it.

    was_prepared: whether it came prepared, so that nothing was done. frame_size: of the frames that boxes are of.
    registration: what laid depth over colour. masks: where the people were found. depth_camera: by whose field of
    view. num_people: how many; None where nobody was looked for.
    """

    was_prepared: bool
    decided_by: DecidedBy
    frame_size: Size
    registration: RegistrationSource | None = None
    masks: MaskSource | None = None
    depth_camera: str | None = None
    num_people: int | None = None


class ClipFacts(BaseModel):
    """What was found in the files, and the time it took."""

    whole: Part
    windows: list[Part]
    aligned_by: AlignedBy
    given: list[Stream]
    prepared: PreparedAs
    subjects: list[Subject]
    warnings: list[str]
    decode_ms: float = 0.0
    transform_ms: float = 0.0


@dataclass(frozen=True)
class DecodedClip:
    """The clips of a recording: `arrays`, uint8 [T, H, W, 3], by subject, of that by stream, of that by window."""

    facts: ClipFacts
    arrays: list[NDArray[np.uint8]]

    def subjects(self, streams: Sequence[Stream]) -> list[list[dict[Stream, NDArray[np.uint8]]]]:
        """Return of each subject the clips of each window by stream; black where a stream was not given."""
        arrays = iter(self.arrays)
        subjects = []
        for _ in self.facts.subjects:
            windows: list[dict[Stream, NDArray[np.uint8]]] = [{} for _ in self.facts.windows]
            for stream in self.facts.given:
                for clips in windows:
                    clips[stream] = next(arrays)
            black = np.zeros_like(windows[0][self.facts.given[0]])
            subjects.append([{stream: clips.get(stream, black) for stream in streams} for clips in windows])
        return subjects
