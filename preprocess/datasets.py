"""Where each data set keeps the frames of a clip, and what its names mean.

Source: REFERENCE.md section 9.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from preprocess.errors import DatasetError
from preprocess.ntu_classes import NTU_CLASSES

Split = Literal["train", "valid"]


@dataclass(frozen=True)
class DatasetSpec:
    """The layout of one processed data set; every template is a path below the data set's root.

    `rgb_template` and `depth_template` take {clip} and {number}, the number in the file's name, which counts from
    `rgb_first` and `depth_first`. `split_template` takes {protocol} and {split}. A split file calls a clip by its name
    followed by `split_suffix`. `class_names` holds until the root has a class_names.txt of its own.
    """

    name: str
    class_names: tuple[str, ...]
    rgb_template: str
    depth_template: str
    rgb_first: int
    depth_first: int
    split_template: str
    split_suffix: str

    def rgb_frame(self, root: Path, clip: str, index: int) -> Path:
        """Return the file of colour frame `index`, which counts from 0."""
        return root / self.rgb_template.format(clip=clip, number=index + self.rgb_first)

    def depth_frame(self, root: Path, clip: str, index: int) -> Path:
        """Return the file of depth frame `index`, which counts from 0."""
        return root / self.depth_template.format(clip=clip, number=index + self.depth_first)

    def split_file(self, root: Path, split: Split, protocol: str) -> Path:
        """Return the file that lists the clips of one half of a protocol, such as NTU's "CS"."""
        return root / self.split_template.format(protocol=protocol, split=split)

    def split_name(self, clip: str) -> str:
        """Return what a split file calls `clip`."""
        return clip + self.split_suffix

    def clip_name(self, split_name: str) -> str:
        """Return the clip that a split file calls `split_name`; the suffix may be missing."""
        return split_name.removesuffix(self.split_suffix)


NTU = DatasetSpec(
    name="ntu",
    class_names=NTU_CLASSES,
    rgb_template="Images/{clip}_rgb/{number:06d}.jpg",
    depth_template="nturgb+d_depth_masked/{clip}/MDepth-{number:08d}.png",
    rgb_first=0,
    depth_first=1,
    split_template="dataset_splits/@{protocol}/{split}.txt",
    split_suffix="_rgb",
)

NVGESTURE = DatasetSpec(
    name="nvgesture",
    # The data set publishes numbers only.
    class_names=tuple(f"gesture {number}" for number in range(1, 26)),
    rgb_template="rgb/{clip}/{number:06d}.jpg",
    depth_template="depth/{clip}/{number:06d}.jpg",
    rgb_first=0,
    depth_first=0,
    split_template="dataset_splits/{split}.txt",
    split_suffix="/",
)

DATASETS: dict[str, DatasetSpec] = {spec.name: spec for spec in (NTU, NVGESTURE)}


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


def cross_subject_split(clip: NtuClip) -> Split:
    """Return the half of the official cross-subject protocol that `clip` belongs to."""
    return "train" if clip.performer in NTU_TRAINING_PERFORMERS else "valid"
