"""What is done to a recording before clips are cut from it."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from rgbd.camera.registration import RegistrationSource
from rgbd.clip.crop import OUTPUT_SIZE
from rgbd.people.clip_boxes import RoiMode
from rgbd.people.masked_depth import MaskMode
from rgbd.people.masks import PeopleSource
from rgbd.types import Stream

PRESENT_VERSION: Final = 4
_NO_PIXELS = ("streams", "as_jpeg", "has_mutual_actions")  # what says nothing of how frames are made

_Side = Annotated[int, Field(ge=1, le=4096)]  # of a frame, in pixels


class Preparation(BaseModel):
    """What is done to a recording before clips are cut from it; it is kept with the data set, and can be done again.

    version: of the code that finds people, masks and boxes; another one may give other pixels. streams: those that it
    was done to. masks: which depth is kept. official: the region around the people, as in NTU's published masks; body:
    the people only; none: all of it. roi: what frames are cropped to. clip: one 4:3 box for the whole recording, around
    every body; tracked: a box of one size that follows them; legacy: the published way, another window for every frame,
    depth left whole; whole: nothing is cropped. size: of what is cropped, (width, height); whole frames that are higher
    are shrunk to its height. people, registration: where people are looked for, and what lays depth over colour; of
    each, the first that there is. as_jpeg: the streams whose 8-bit images are kept as JPEG, which changes them.
    has_mutual_actions: whether some of the motions are those of two people together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    # 2: people without a floor in view, depth that arrives masked, frames paired by time. 3: fields of view of cameras,
    # children, people who lie, cameras that look down; colour without anybody is whole. 4: boxes by every third mask.
    version: Literal[1, 2, 3, 4] = PRESENT_VERSION
    streams: tuple[Stream, ...]
    masks: MaskMode
    roi: RoiMode
    size: tuple[_Side, _Side] = OUTPUT_SIZE
    people: tuple[PeopleSource, ...] = ("skeleton", "depth")
    registration: tuple[RegistrationSource, ...] = ("calibration", "joints", "nominal", "stretch")
    as_jpeg: tuple[Stream, ...] = ("rgb",)
    has_mutual_actions: bool = False

    @property
    def masks_depth(self) -> bool:
        """Whether depth is kept, and all but people is taken out of it."""
        return "depth" in self.streams and self.masks != "none"

    @property
    def jpeg_quality(self) -> int:
        """Of such files: the published way has a lower one; docs/method.md, "Published boxes"."""
        return 75 if self.roi == "legacy" else 95

    def differences(self, other: "Preparation") -> dict[str, tuple[str, str]]:
        """Return {what makes frames otherwise in another one: (how it is here, how it is there)}."""
        mine, theirs = self.model_dump(), other.model_dump()
        return {
            name: (str(mine[name]), str(theirs[name]))
            for name in mine
            if name not in _NO_PIXELS and mine[name] != theirs[name]
        }
