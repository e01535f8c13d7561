"""Checkpoints: weights together with all that is needed to use them."""

import pickle
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn

from preprocess.atomic import atomic_file
from preprocess.errors import UserError
from training.config import TrainingConfig
from training.models.fusion import FusionNet
from training.models.unimodal import UnimodalNet


class CheckpointError(UserError):
    """A checkpoint is missing, damaged, or of another network than the one asked for."""


class Checkpoint(BaseModel):
    """Content of a checkpoint file; it loads without running code (`weights_only`)."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    format_version: Literal[1] = 1
    config: TrainingConfig  # its `clip` is the ClipSpec of the weights
    class_names: tuple[str, ...]
    epoch: int  # epochs finished
    tau: float  # the heads' temperature that the weights were evaluated with
    metrics: dict[str, float]
    model: dict[str, Tensor]
    optimizer: dict[str, Any]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` atomically."""
    content = checkpoint.model_dump(exclude={"config", "model", "optimizer"})
    content |= {
        "config": checkpoint.config.model_dump(mode="json"),
        "model": checkpoint.model,
        "optimizer": checkpoint.optimizer,
    }
    with atomic_file(path) as temporary:
        torch.save(content, temporary)


def load_checkpoint(path: Path) -> Checkpoint:
    """Return the checkpoint in `path`, on the CPU; raises `CheckpointError` when it is none of ours."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        return Checkpoint.model_validate(content)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); give a file that training wrote") from error
    except ValidationError as error:
        keys = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors())
        raise CheckpointError(f"{path}: is a checkpoint of another version (see: {keys}); train again") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        # OSError: torch seeks before the beginning of a file that was cut off. What torch says of files that are not
        # its own is advice to load them unsafely.
        raise CheckpointError(f"{path}: is not a checkpoint, or damaged; copy it again, or train again") from error


def build_network(config: TrainingConfig, num_classes: int) -> UnimodalNet | FusionNet:
    """Return the untrained network that `config` describes."""
    network = FusionNet if config.type == "FusionNet" else UnimodalNet
    return network(config.network, num_classes, config.clip.num_frames)


def restore_network(checkpoint: Checkpoint) -> UnimodalNet | FusionNet:
    """Return the checkpoint's network with its weights and temperature."""
    network = build_network(checkpoint.config, len(checkpoint.class_names))
    try:
        network.load_state_dict(checkpoint.model)
    except RuntimeError as error:
        raise CheckpointError(f"the weights do not fit the checkpoint's own configuration: {error}") from error
    if isinstance(network, UnimodalNet):
        network.tau = checkpoint.tau
    return network


def load_streams(network: nn.Module, config: TrainingConfig) -> None:
    """Start a fusion network from the two trained streams that `config.streams` names.

    Raises `CheckpointError` when a checkpoint is of the other stream, or of a network or clip of another shape.
    """
    assert config.streams is not None  # the configuration was validated
    for stream, path, wanted in (("rgb", config.streams.rgb, "M"), ("depth", config.streams.depth, "K")):
        checkpoint = load_checkpoint(path)
        theirs = checkpoint.config
        if theirs.type != wanted:
            raise CheckpointError(
                f"{path}: streams.{stream} needs a checkpoint of type {wanted}, this is {theirs.type}"
            )
        if theirs.network != config.network or theirs.clip.num_frames != config.clip.num_frames:
            raise CheckpointError(
                f"{path}: was trained with another network; make the sections 'network' and 'clip' of this "
                "configuration equal to those it was trained with"
            )
        prefix = "backbone."
        weights = {k.removeprefix(prefix): v for k, v in checkpoint.model.items() if k.startswith(prefix)}
        network.get_submodule(stream).load_state_dict(weights)
