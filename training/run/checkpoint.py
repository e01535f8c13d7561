"""Checkpoints: weights together with all that is needed to use them, and to go on training them."""

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError
from torch import Tensor, nn

from rgbd.clip.appearance import Appearance
from rgbd.clip.preparation import Preparation
from rgbd.clip.rejection import Rejection
from rgbd.dataset.layouts import Split
from rgbd.errors import ConfigError, UserError
from rgbd.files import atomic_file
from rgbd.terminal import say_once
from rgbd.types import Stream
from training.config.compatibility import translate_earlier
from training.config.families import sections_of
from training.config.schema import TrainingConfig
from training.data.identity import DataIdentity, class_difference
from training.networks.family import family_of
from training.run.finite import name_not_finite

_NOT_FINITE = (
    "hold NaN or infinite numbers, with which no clip is recognised; give an earlier checkpoint of the run, or train "
    "again with a lower optimizer.lr"
)


class CheckpointError(UserError):
    """A checkpoint is missing, damaged, not finite, or of another network than the one asked for."""


class Position(BaseModel):
    """Where a run stands. Everything random follows from the seed and this, so that no generator has to be saved.

    `batches` of each process are done in the epoch that has begun; `step` counts the optimizer's steps from the start.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epoch: int = 0  # epochs finished
    batches: int = 0
    step: int = 0
    num_processes: int = 1


class Checkpoint(BaseModel):
    """Content of a checkpoint file, all of it finite; it loads without running code (`weights_only`)."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)

    format_version: Literal[3] = 3
    config: TrainingConfig  # its `clip` is the ClipSpec of the weights
    class_names: tuple[str, ...]
    position: Position
    epoch_state: dict[str, float] = {}  # what the network has of its epoch besides weights, by the family's names
    temperature: float = Field(1.0, gt=0)  # of calibration, fitted on the validation clips: scores are divided by it
    rejection: Rejection | None = None  # of motions not learnt, fitted on them too; None where they were too few
    trained_on: dict[Stream, Appearance] = {}  # what the training clips look like; not known of imported weights
    clip_s: PositiveFloat | None = None  # how long a training clip lasts; None where nobody has written that
    preparation: Preparation | None = None  # what was done to their recordings; None where nobody has written that
    splits: dict[Split, str] = {}  # the SHA-256 of each half's list of clips; empty where nobody has written that
    metrics: dict[str, float]
    model: dict[str, Tensor]
    averaged: dict[str, Tensor] | None = None  # weights averaged over steps
    use_averaged: bool = False  # they answered better
    training: dict[str, Any] = {}  # optimizer, scaler, learning rate, evaluations so far; empty in imported files
    changes: tuple[str, ...] = ()  # of settings, on going on: when, from what, to what

    @property
    def data(self) -> DataIdentity:
        """What the network was trained on."""
        return DataIdentity(self.class_names, self.splits, self.preparation)

    def weights_digest(self) -> str:
        """Return what tells the weights that answer, and what they have of their epoch, from others."""
        digest = hashlib.sha256(repr(sorted(self.epoch_state.items())).encode())
        weights = self.averaged if self.use_averaged and self.averaged is not None else self.model
        for name in sorted(weights):
            digest.update(name.encode())
            digest.update(weights[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def not_finite(self) -> str:
        """Return the names of what holds NaN or an infinite number, "" where nothing does."""
        return name_not_finite({"model": self.model, "averaged": self.averaged, "training": self.training})


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` atomically; raises `CheckpointError` where it is not finite, or there is no room."""
    if names := checkpoint.not_finite():
        raise CheckpointError(f"{path}: is left as it was, because {names} to be written are not finite; train anew")
    tensors = {"model", "averaged", "training"}
    content = checkpoint.model_dump(exclude={"config", "position", *tensors})
    content |= {
        "config": checkpoint.config.model_dump(mode="json"),
        "position": checkpoint.position.model_dump(),
        **{name: getattr(checkpoint, name) for name in tensors},
    }
    try:
        with atomic_file(path) as temporary:
            torch.save(content, temporary)
    except (OSError, RuntimeError) as error:  # torch raises the latter where its file cannot grow
        reason = error.strerror if isinstance(error, OSError) else "torch could not write all of it"
        raise CheckpointError(
            f"{path}: cannot be written ({reason}); make room and go on with --resume auto: the checkpoint before it "
            "is whole"
        ) from error


def load_content(path: Path) -> Any:
    """Return what torch has written into a file, on the CPU; raises `CheckpointError` where that is nothing, or code.

    Nothing of it is run. The settings of the published files are a Namespace, which does nothing but hold them.
    """
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); give a file that training wrote") from error
    except Exception as error:  # by bytes that are not its own torch is led anywhere, and advises to load them unsafely
        raise CheckpointError(
            f"{path}: is no file of weights, or damaged, or holds objects that would run code when they are loaded; "
            "copy it again, and of such a file save the weights alone, with the code that wrote it"
        ) from error


def load_checkpoint(path: Path) -> Checkpoint:
    """Return the checkpoint in `path`, on the CPU; raises `CheckpointError` when it is none of ours, or not finite."""
    content = load_content(path)
    if not isinstance(content, dict) or "config" not in content:
        raise CheckpointError(
            f"{path}: is no checkpoint of ours; of a weight file of the published code python -m "
            "training.import_weights makes one"
        )
    try:
        checkpoint = Checkpoint.model_validate(_in_words_of_today(content, path))
    except ValidationError as error:
        keys = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors())
        if all(problem["type"] == "finite_number" for problem in error.errors()):
            raise CheckpointError(f"{path}: {keys} {_NOT_FINITE}") from error
        raise CheckpointError(f"{path}: is a checkpoint of another version (see: {keys}); train again") from error
    if names := checkpoint.not_finite():
        raise CheckpointError(f"{path}: {names} {_NOT_FINITE}")
    return checkpoint


def _in_words_of_today(content: dict[str, Any], path: Path) -> dict[str, Any]:
    if not isinstance(content["config"], dict):
        return content  # as validation will say
    try:
        config, notes = translate_earlier(content["config"])
        sections_of(config.get("network"))  # the family may be somebody's whose package is not here
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from error
    for note in notes:
        say_once(f"{path}: {note}")
    content = {**content, "config": config}
    if content.get("format_version") == 2 and "tau" in content:
        content |= {"format_version": 3, "epoch_state": {"tau": content.pop("tau")}}
    return content


def build_network(config: TrainingConfig, num_classes: int) -> nn.Module:
    """Return the untrained network that `config` describes."""
    return family_of(config).build(config, num_classes)


def restore_network(checkpoint: Checkpoint) -> nn.Module:
    """Return the checkpoint's network with its weights, those that answer better, and the state of its epoch."""
    network = build_network(checkpoint.config, len(checkpoint.class_names))
    weights = checkpoint.averaged if checkpoint.use_averaged else checkpoint.model
    assert weights is not None
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"the weights do not fit the checkpoint's own configuration: {error}") from error
    family_of(checkpoint.config).set_epoch_state(network, checkpoint.epoch_state)
    return network


def load_streams(network: nn.Module, config: TrainingConfig, data: DataIdentity) -> list[str]:
    """Start a fusion network, for this data, from the two trained streams that `config.streams` names.

    Returns warnings about streams that were trained on other clips, or on others' preparation of them. Raises
    `CheckpointError` when a checkpoint is of the other stream, or of a network, clip or classes that do not fit.
    """
    assert config.streams is not None  # the configuration was validated
    trained: dict[Stream, nn.Module] = {}
    warnings = []
    paths: dict[Stream, Path] = {"rgb": config.streams.rgb, "depth": config.streams.depth}
    for stream, path in paths.items():
        checkpoint = load_checkpoint(path)
        theirs = checkpoint.config
        if theirs.modality != stream:
            raise CheckpointError(f"{path}: streams.{stream} needs a checkpoint of {stream}, this is {theirs.modality}")
        if differing := list(_differences_of_stream(theirs, config, stream)):
            raise CheckpointError(
                f"{path}: was trained with another network or clip ({', '.join(differing)}); make the sections "
                "'network' and 'clip' of this configuration equal to those it was trained with"
            )
        if difference := class_difference(checkpoint.class_names, data.class_names):
            raise CheckpointError(
                f"{path}: the data set has {difference}, as this stream knows it; train both streams on the data set "
                "that the fusion is trained on"
            )
        warnings += [f"{path}: the fusion has {what}" for what in checkpoint.data.differences_of_clips(data)]
        trained[stream] = restore_network(checkpoint)
    family_of(config).join_streams(network, trained)
    return warnings


def _differences_of_stream(theirs: TrainingConfig, ours: TrainingConfig, stream: Stream) -> Iterator[str]:
    """Yield which settings of a trained stream do not fit a fusion: the depth encoding matters to depth alone."""
    if theirs.network != ours.network:
        yield "network"
    before, now = theirs.clip.model_dump(mode="json"), ours.clip.model_dump(mode="json")
    for name, value in before.items():
        if value != now[name] and not (name == "depth" and stream == "rgb"):
            yield f"clip.{name} was {value}, is {now[name]}"


def load_start(network: nn.Module, config: TrainingConfig, data: DataIdentity) -> list[str]:
    """Start from the weights that `config.start` names, but for what begins anew; return the names of that.

    Raises `CheckpointError` that lists every parameter of another shape, and those that only one of both has; and for
    classes other than this data's where nothing begins anew.
    """
    assert config.start is not None
    checkpoint = load_checkpoint(config.start.checkpoint)
    difference = class_difference(checkpoint.class_names, data.class_names)
    if difference and not config.start.new:
        raise CheckpointError(
            f"{config.start.checkpoint}: the data set has {difference}, as these weights know it; list in start.new "
            "what is to begin anew, such as heads"
        )
    theirs = restore_network(checkpoint).state_dict()
    ours = network.state_dict()
    for beginning in config.start.new:
        if not any(key.startswith(beginning) for key in ours):
            kinds = sorted({key.split(".")[0] for key in ours})
            raise CheckpointError(f"start.new: no parameter begins with {beginning!r}; there are {', '.join(kinds)}")
    new = [key for key in ours if key.startswith(config.start.new)] if config.start.new else []
    kept = {key: value for key, value in theirs.items() if not config.start.new or not key.startswith(config.start.new)}
    wanted = {key: value for key, value in ours.items() if key not in new}
    problems = [f"{key} is missing" for key in wanted.keys() - kept.keys()]
    problems += [f"{key} is left over" for key in kept.keys() - wanted.keys()]
    problems += [
        f"{key} is {tuple(kept[key].shape)}, not {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in kept and kept[key].shape != value.shape
    ]
    if problems:
        raise CheckpointError(
            f"{config.start.checkpoint}: {'; '.join(sorted(problems))}; list in start.new what is to begin anew, such "
            "as heads"
        )
    network.load_state_dict({**ours, **kept})
    return new
