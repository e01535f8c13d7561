"""The published networks of each family, and their plain forms: what benchmarks of both compare."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from benchmarks.support.eager_3d import EagerDsn, EagerUmdr
from training.config.schema import TrainingConfig


@dataclass(frozen=True)
class Published:
    """num_frames: of a clip, unless asked otherwise. network: its section, for clips of so many frames.

    eager: plain forms of a network of one stream, by what they are called; the last one does nothing more than ours.
    """

    num_frames: int
    network: Callable[[int], dict[str, Any]]
    eager: Mapping[str, Callable[[nn.Module], EagerDsn | EagerUmdr]]


FAMILIES = {
    "dsn": Published(
        64,
        lambda num_frames: {"branch_frames": [num_frames * quarters // 4 for quarters in (1, 2, 3)]},
        {
            "eager Conv3d, cosine loop": lambda network: EagerDsn(network, compares=True),
            "eager Conv3d": EagerDsn,
        },
    ),
    "umdr": Published(
        16, lambda num_frames: {"branch_divisor": 4 if num_frames > 32 else 2}, {"eager Conv3d": EagerUmdr}
    ),
}


def published(
    family: str, modality: str, num_frames: int | None = None, compute: Mapping[str, Any] | None = None
) -> TrainingConfig:
    """Return the configuration of a published network; of other clips its branches read the same shares."""
    entry = FAMILIES[family]
    num_frames = num_frames or entry.num_frames
    network = {"name": family, **entry.network(num_frames)}
    return untuned(modality, {"num_frames": num_frames}, network, compute or {})


def untuned(
    modality: str, clip: Mapping[str, Any], network: Mapping[str, Any], compute: Mapping[str, Any]
) -> TrainingConfig:
    """Return a configuration of these sections, all else as it is by default; a fusion's streams need not exist."""
    sections = {"modality": modality, "clip": clip, "network": network, "compute": compute}
    if modality == "rgbd":
        sections["streams"] = {"rgb": "rgb.pt", "depth": "depth.pt"}
    return TrainingConfig.model_validate(sections)
