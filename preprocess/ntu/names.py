"""What the name of an NTU RGB+D clip says: setup, camera, performer, replication, action, and so its protocols' halves.

Source: docs/method.md, "NTU RGB+D".
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from rgbd.dataset.layouts import Split
from rgbd.errors import DatasetError


@dataclass(frozen=True)
class NtuClip:
    """What the name of an NTU recording says. All numbers count from 1, as in the name."""

    name: str
    setup: int
    camera: int
    performer: int
    replication: int
    action: int

    @property
    def label(self) -> int:
        """The class index, from 0."""
        return self.action - 1

    @property
    def camera_id(self) -> str:
        """The camera in its place, such as S001C002: what one registration holds for."""
        return self.name[:8]

    @property
    def is_of_120(self) -> bool:
        """Whether the clip came with NTU RGB+D 120; the first 17 set-ups are NTU RGB+D 60."""
        return self.setup > 17


def parse_clip_name(name: str) -> NtuClip:
    """Return the meaning of a clip's name, such as S001C002P003R002A013; raises `DatasetError` for any other text.

    Only the name itself is read: folders that happen to contain "C001" or "P12" do not matter.
    """
    match = re.fullmatch(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})", name)
    if match is None or "000" in match.groups():
        raise DatasetError(
            f"{name!r} is not the name of an NTU clip; expected SsssCcccPpppRrrrAaaa, such as S001C002P003R002A013, "
            "with numbers from 001; rename the recording"
        )
    return NtuClip(name, *(int(digits) for digits in match.groups()))


# The performers whose clips the cross-subject protocols train on; those of NTU RGB+D 60 come first.
NTU_TRAINING_PERFORMERS = frozenset(
    (
        *(1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38),
        *(45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86),
        *(89, 91, 92, 93, 94, 95, 97, 98, 100, 103),
    )
)
_CV_TRAINING_CAMERAS = frozenset((2, 3))

_IS_TRAINING: dict[str, Callable[[NtuClip], bool]] = {
    "CS": lambda clip: clip.performer in NTU_TRAINING_PERFORMERS,
    "CV": lambda clip: clip.camera in _CV_TRAINING_CAMERAS,
    "CS120": lambda clip: clip.performer in NTU_TRAINING_PERFORMERS,
    "CSet120": lambda clip: clip.setup % 2 == 0,
}


def protocol_splits(clip: NtuClip, *, with_120: bool) -> dict[str, Split]:
    """Return {protocol: half} of all official protocols that list `clip`.

    CS and CV, cross-subject and cross-view, are of NTU RGB+D 60; CS120 and CSet120, cross-subject and cross-setup, are
    of NTU RGB+D 120, and only make sense `with_120`, that is where some of its own recordings are.
    """
    protocols = ([] if clip.is_of_120 else ["CS", "CV"]) + (["CS120", "CSet120"] if with_120 else [])
    return {protocol: "train" if _IS_TRAINING[protocol](clip) else "valid" for protocol in protocols}


@cache
def clips_without_skeleton() -> frozenset[str]:
    """Return the 535 clips whose skeletons the authors declare missing or incomplete; 302 are of NTU RGB+D 60."""
    text = files("preprocess.ntu").joinpath("missing_skeletons.txt").read_text(encoding="ascii")
    return frozenset(text.split())
