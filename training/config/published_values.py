"""Values as the published YAML files and command lines write them -> ours."""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from rgbd.dataset.layouts import DATASETS
from rgbd.types import Modality

MODALITIES: dict[str, Modality] = {"M": "rgb", "K": "depth", "FusionNet": "rgbd"}
"""What the reference's codes of streams and of the fusion network stand for."""

DATASET_NAMES = {
    "NTU": "ntu",
    "NvGesture": "nvgesture",
    "THUREAD": "thu_read",
    "THU": "thu_read",
    "IsoGD": "isogd",
    "Jester": "jester",
}

# Where its loaders crop in evaluation, if not in the middle. Source: docs/method.md, "Settings by data set".
_EVALUATED_AT = {"nvgesture": (32, 32)}

_OPTIONAL = ("start.checkpoint", "streams.rgb", "streams.depth")  # an empty name means none


def choice(choices: Mapping[str, Any]) -> Callable[[Any], Any]:
    """Return what reads one of these words; it raises `ValueError` for others."""

    def choose(value: Any) -> Any:
        if value not in choices:
            raise ValueError(f"is none of {', '.join(choices)}")
        return choices[value]

    return choose


def numbers(value: Any) -> list[float]:
    """Return what the references write as a tuple in a string, such as "(320, 240)"."""
    found = re.findall(r"-?[\d.]+", value) if isinstance(value, str) else value
    return [float(number) if "." in str(number) else int(number) for number in found]


def protocol(folder: Any) -> str:
    """Return the protocol that a folder of split files is named after: @CS is CS, and THU-READ's @2 is CS2."""
    name = PurePosixPath(str(folder)).name.removeprefix("@")
    return f"CS{name}" if name.isdecimal() else name


def smoothing(value: Any) -> float:
    """Return how much labels are smoothed where that is switched on."""
    return 0.1 if value else 0.0


def refused(value: Any) -> None:
    """Raise `ValueError` for what is switched on and not offered."""
    if value:
        raise ValueError("is not offered; the published configurations leave it off")


def put(ours: dict[str, Any], name: str, value: Any) -> None:
    """Set `section.key` of a configuration, in place; nothing for no name, or for no checkpoint."""
    if not name or (name in _OPTIONAL and not value):
        return
    section, _, key = name.rpartition(".")
    (ours.setdefault(section, {}) if section else ours)[key] = value


def put_evaluation_of_data_set(ours: dict[str, Any]) -> None:
    """Set, in place, what the published loaders do with a data set without a key for it."""
    name = ours.get("data", {}).get("dataset")
    layout = DATASETS.get(name)
    if layout is not None and layout.depth_template is not None and layout.suffix("depth") == ".jpg":
        put(ours, "clip.depth", {"mode": "image"})
    if (place := _EVALUATED_AT.get(name)) is not None:
        put(ours, "clip.crop_xy", place)
