"""Where each data set keeps the frames of a clip, and what its names mean.

Source: docs/method.md, "Data sets and protocols".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from rgbd.clip.rejection import BACKGROUND_CLASS
from rgbd.dataset.class_lists import JESTER_CLASSES, MSR_ACTION3D_CLASSES, THU_READ_CLASSES, UTD_MHAD_CLASSES
from rgbd.dataset.ntu_classes import NTU_CLASSES
from rgbd.errors import DatasetError
from rgbd.types import Stream

Split = Literal["train", "valid", "test"]
Counts = Mapping[str, Mapping[Split, int]]
"""{protocol: {split: number of clips}}"""


@dataclass(frozen=True)
class DatasetSpec:
    """The layout of one processed data set; every template is a path below the data set's root.

    `rgb_template` and `depth_template` take {clip}, or its {parent} and {name} where the clip's name is a path, and
    {number}, the number in the file's name, which counts from `rgb_first` and `depth_first`; None where the data set
    has no such stream. `split_template` takes {protocol} and {split}. A split file calls a clip by
    `listed_template`, which takes {clip}, or {parent} and {name}. `class_names` holds until the root has a
    class_names.txt of its own. `counts` are those of the whole data set, by protocol, where its authors state them.
    `num_classes` is how many of the first classes a protocol is about, where not all; the background is one more.
    """

    name: str
    class_names: tuple[str, ...]
    rgb_template: str | None
    depth_template: str | None
    rgb_first: int
    depth_first: int
    split_template: str
    listed_template: str
    counts: Counts = field(default_factory=dict)
    num_classes: dict[str, int] = field(default_factory=dict)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that the data set has, colour first."""
        templates: dict[Stream, str | None] = {"rgb": self.rgb_template, "depth": self.depth_template}
        return tuple(stream for stream, template in templates.items() if template is not None)

    def frame_path(self, root: Path, stream: Stream, clip: str, index: int) -> Path:
        """Return the file of frame `index`, which counts from 0, of one stream of `clip`.

        Raises `DatasetError` where the data set has no such stream.
        """
        template, first = {
            "rgb": (self.rgb_template, self.rgb_first),
            "depth": (self.depth_template, self.depth_first),
        }[stream]
        if template is None:
            missing = "colour" if stream == "rgb" else "depth"
            raise DatasetError(f"the data set {self.name!r} has no {missing}; choose the stream {self.streams[0]}")
        path = PurePosixPath(clip)
        return root / template.format(clip=clip, parent=path.parent, name=path.name, number=index + first)

    def suffix(self, stream: Stream) -> str:
        """Return the suffix of a stream's files, such as .jpg."""
        return self.frame_path(Path(), stream, "clip", 0).suffix

    @property
    def jpeg_streams(self) -> tuple[Stream, ...]:
        """The streams whose frames are JPEG files, colour first."""
        return tuple(stream for stream in self.streams if self.suffix(stream) == ".jpg")

    def split_file(self, root: Path, split: Split, protocol: str) -> Path:
        """Return the file that lists the clips of one half of a protocol, such as NTU's "CS"."""
        return root / self.split_template.format(protocol=protocol, split=split)

    def split_name(self, clip: str) -> str:
        """Return what a split file calls `clip`."""
        path = PurePosixPath(clip)
        return self.listed_template.format(clip=clip, parent=path.parent, name=path.name)

    def clip_name(self, split_name: str) -> str:
        """Return the clip that a split file calls `split_name`, which may be the clip's own name as well."""
        groups = {"clip": "(?P<clip>.+)", "parent": "(?P<parent>.+)", "name": "(?P<name>[^/]+)"}
        match = re.fullmatch(self.listed_template.format(**groups), split_name)
        if match is None:
            return split_name
        found = match.groupdict()
        return found["clip"] if "clip" in found else str(PurePosixPath(found["parent"], found["name"]))

    def label_order(self, protocol: str, names: Sequence[str]) -> list[int]:
        """Return the labels of a data set with these classes in the order in which a protocol counts them.

        That is theirs, but that the background comes right behind the classes that the protocol is about: it is one of
        every protocol.
        """
        labels, first = list(range(len(names))), self.num_classes.get(protocol, len(names))
        if BACKGROUND_CLASS in names[first:]:
            labels.insert(first, labels.pop(names.index(BACKGROUND_CLASS, first)))
        return labels

    def classes_of(self, protocol: str, names: Sequence[str]) -> tuple[str, ...]:
        """Return the names of a protocol's classes, of a data set with these classes, in the protocol's order."""
        first = self.num_classes.get(protocol, len(names))
        count = first + (BACKGROUND_CLASS in names[first:])
        return tuple(names[label] for label in self.label_order(protocol, names)[:count])


NTU = DatasetSpec(
    name="ntu",
    class_names=NTU_CLASSES,
    rgb_template="Images/{clip}_rgb/{number:06d}.jpg",
    depth_template="nturgb+d_depth_masked/{clip}/MDepth-{number:08d}.png",
    rgb_first=0,
    depth_first=1,
    split_template="dataset_splits/@{protocol}/{split}.txt",
    listed_template="{clip}_rgb",
    counts={
        "CS": {"train": 40_320, "valid": 16_560},
        "CV": {"train": 37_920, "valid": 18_960},
    },
    num_classes={"CS": 60, "CV": 60},
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
    listed_template="{clip}/",
    counts={"": {"train": 1_050, "valid": 482}},
)

ISOGD = DatasetSpec(
    name="isogd",
    class_names=tuple(f"gesture {number}" for number in range(1, 250)),
    rgb_template="IsoGD_imgs/{parent}/M_{name}/{number:06d}.jpg",
    depth_template="IsoGD_imgs/{parent}/K_{name}/{number:06d}.jpg",
    rgb_first=0,
    depth_first=0,
    split_template="dataset_splits/{split}.txt",
    listed_template="{parent}/M_{name}",
    counts={"": {"train": 35_878, "valid": 5_784, "test": 6_271}},
)

THU_READ = DatasetSpec(
    name="thu_read",
    class_names=THU_READ_CLASSES,
    rgb_template="RGB_{clip}/{number:06d}.jpg",
    depth_template="D_{clip}/{number:06d}.png",
    rgb_first=0,
    depth_first=0,
    split_template="dataset_splits/@{protocol}/{split}.txt",
    listed_template="RGB_{clip}",
    counts={f"CS{number}": {"train": 720, "valid": 240} for number in range(1, 5)},
)

JESTER = DatasetSpec(
    name="jester",
    class_names=JESTER_CLASSES,
    rgb_template="20bn-jester-v1/{clip}/{number:05d}.jpg",
    depth_template=None,
    rgb_first=1,
    depth_first=1,
    split_template="dataset_splits/{split}.txt",
    listed_template="{clip}",
)

CUSTOM = DatasetSpec(
    name="custom",
    class_names=(),  # every such data set has a class_names.txt
    rgb_template="rgb/{clip}/{number:06d}.jpg",
    depth_template="depth/{clip}/{number:06d}.png",
    rgb_first=0,
    depth_first=0,
    split_template="dataset_splits/{split}.txt",
    listed_template="{clip}",
)

# It is published as MATLAB files; processed, it lies as one's own recordings do.
UTD_MHAD = replace(CUSTOM, name="utd_mhad", class_names=UTD_MHAD_CLASSES, counts={"": {"train": 431, "valid": 430}})

MSR_ACTION3D = replace(
    CUSTOM,
    name="msr_action3d",
    class_names=MSR_ACTION3D_CLASSES,
    rgb_template=None,
    split_template="dataset_splits/@{protocol}/{split}.txt",
    counts={
        "CS": {"train": 292, "valid": 275},
        "AS1": {"train": 120, "valid": 106},
        "AS2": {"train": 118, "valid": 113},
        "AS3": {"train": 114, "valid": 112},
    },
)

DATASETS: dict[str, DatasetSpec] = {
    spec.name: spec for spec in (NTU, NVGESTURE, ISOGD, THU_READ, JESTER, UTD_MHAD, MSR_ACTION3D, CUSTOM)
}
