"""Checkpoints of small networks with random weights, and data of their classes."""

from pathlib import Path
from typing import Any

import torch

from rgbd.clip.rejection import Rejection
from rgbd.clip.spec import ClipSpec
from rgbd.dataset.splits import write_class_names
from tests.support.processed import write_clips
from training.config.schema import TrainingConfig
from training.networks.family import family_of
from training.run.checkpoint import Checkpoint, Position, build_network, save_checkpoint

CLASSES = ("wave", "squat", "jump")
SMALL = {
    "out": "unused",
    "data": {"root": "unused"},
    "clip": ClipSpec(num_frames=8, resize=(64, 48), crop=48, size=32).model_dump(mode="json"),
    "network": {"width": 0.125, "branch_frames": [2, 4, 6], "num_blocks": 1, "num_heads": 4, "guidance_window": 3},
    "schedule": {"tau": [0.5, 0.5]},
}
# For tests that are not about the networks: a family of few layers, exported in a seventh of the time.
TOY = {"network": {"name": "tests.support.toy_family:FAMILY", "channels": 6}, "schedule": {}}


def untrained(modality: str, path: Path, **changed: Any) -> Path:
    """Save a checkpoint of a small network with random weights."""
    torch.manual_seed(3)
    extra = {"streams": {"rgb": "a.pt", "depth": "b.pt"}} if modality == "rgbd" else {}
    config = TrainingConfig.model_validate({**SMALL, "modality": modality, **extra, **changed})
    network = build_network(config, num_classes=3)
    checkpoint = Checkpoint(
        config=config,
        class_names=CLASSES,
        position=Position(epoch=1),
        epoch_state=family_of(config).epoch_state(config, epoch=0),
        temperature=1.5,
        rejection=_rejection(config),
        metrics={"top1": 0.25},
        model=network.state_dict(),
    )
    save_checkpoint(path, checkpoint)
    return path


def _rejection(config: TrainingConfig) -> Rejection:
    answer, *others = family_of(config).heads.items()
    streams = config.modalities if config.modality == "rgbd" else ()
    answering = [answer[0], *(name for name, head in others if head.stream in streams)]
    return Rejection(known=dict.fromkeys(answering, tuple(map(float, range(101)))))


def rename_to_type(path: Path, code: str) -> None:
    """Make a checkpoint call its modality as earlier versions did: type, and one of the published codes."""
    content = torch.load(path)
    del content["config"]["modality"]
    content["config"]["type"] = code
    torch.save(content, path)


def write_data(root: Path) -> Path:
    """Write a processed data set of two training clips and five to validate on, with the classes of `untrained`."""
    write_clips(root, clips={"train": 2, "valid": 5})
    write_class_names(root, CLASSES)
    return root
