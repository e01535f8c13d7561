"""`python -m training.import_weights FILE --config YAML --out CKPT`: the reference's weight files -> ours, and back."""

import argparse
import math
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn

from rgbd.errors import UserError
from rgbd.files import atomic_file
from rgbd.locks import LOCK_FILE, locked
from rgbd.overlap import check_apart
from rgbd.terminal import program, run_command
from training.config.loading import load_config
from training.config.schema import TrainingConfig
from training.data.dataset import class_names, numbered_classes
from training.data.identity import DataIdentity
from training.networks.family import ReferenceWeights, family_of
from training.run.checkpoint import (
    Checkpoint,
    CheckpointError,
    Position,
    build_network,
    load_checkpoint,
    load_content,
    load_streams,
    restore_network,
    save_checkpoint,
)
from training.run.finite import name_not_finite

_CONSOLE = Console(highlight=False, soft_wrap=True, markup=False)


def import_file(path: Path, config: TrainingConfig) -> tuple[Checkpoint, list[str]]:
    """Return the checkpoint that a file of the reference's stands for, and what of the file is of no use.

    The number of classes and the width of the recoupling are the file's; all else must be as `config` says. Raises
    `CheckpointError` for what is no such file, `UserError` that lists what does not match.
    """
    content = load_content(path)
    weights = _reference_weights(config)
    state = _state(path, content)
    unused = weights.unused(state)
    for key in unused:
        del state[key]
    if names := name_not_finite(state):
        raise CheckpointError(f"{path}: {names} hold NaN or infinite numbers; give the weights of another epoch")
    try:
        config, num_classes = weights.describe(state, config)
    except UserError as error:
        raise CheckpointError(f"{path}: {error}") from error
    epoch = content.get("epoch")
    if not isinstance(epoch, int) or epoch < 0:
        epoch = config.schedule.epochs
    best = content.get("bestacc")
    classes = _names(config, num_classes)
    network = build_network(config, num_classes)
    if len(config.modalities) > 1 and not weights.has_streams:
        _load_streams(path, network, config, classes)
    checkpoint = Checkpoint(
        config=config,
        class_names=classes,
        position=Position(epoch=epoch),
        epoch_state=family_of(config).epoch_state(config, max(0, epoch - 1)),
        metrics={"bestacc": float(best)} if isinstance(best, int | float) and math.isfinite(best) else {},
        model=weights.to_ours(state, network.state_dict()),
    )
    return checkpoint, unused


def _load_streams(path: Path, network: nn.Module, config: TrainingConfig, classes: tuple[str, ...]) -> None:
    if config.streams is None:
        raise CheckpointError(
            f"{path}: has the fusion without its streams; import their files, too, and name what comes of it in "
            "streams.rgb and streams.depth"
        )
    for warning in load_streams(network, config, DataIdentity(classes, splits={}, preparation=None)):
        _CONSOLE.print(f"warning: {warning}")


def export_file(checkpoint: Checkpoint, path: Path) -> int:
    """Write our checkpoint as the reference's loader takes it, and return how many entries it has there."""
    model = _reference_weights(checkpoint.config).from_ours(restore_network(checkpoint).state_dict())
    content = {
        "model": model,
        "epoch": checkpoint.position.epoch,
        "bestacc": checkpoint.metrics.get("top1", 0.0),
    }
    with atomic_file(path) as temporary:
        torch.save(content, temporary)
    return len(model)


def _state(path: Path, content: Any) -> dict[str, Tensor]:
    """Return the weights of a file by their names; raises `CheckpointError` where there are none."""
    raw = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(raw, dict) or not raw:
        raise CheckpointError(f"{path}: holds no weights under 'model'; give a model_best.pth.tar of the reference")
    if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in raw.items()):
        raise CheckpointError(f"{path}: holds more than weights under 'model'; give a model_best.pth.tar as it was")
    return {key.removeprefix("module."): value for key, value in raw.items()}


def _reference_weights(config: TrainingConfig) -> ReferenceWeights:
    weights = family_of(config).reference_weights
    if weights is None:
        raise UserError(f"network.name {config.network.name}: this family knows no weight files of a reference")
    return weights


def _names(config: TrainingConfig, num_classes: int) -> tuple[str, ...]:
    names = class_names(config.data)
    return names if len(names) == num_classes else numbered_classes(num_classes)


def main() -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args()
    check_apart([options.out], [path for path in (options.file, options.config) if path is not None])
    with locked(options.out.parent / LOCK_FILE, options.out.parent):  # it may be the folder of a run
        return _to_reference(options) if options.to_reference else _from_reference(options)


def _to_reference(options: argparse.Namespace) -> int:
    num_entries = export_file(load_checkpoint(options.file), options.out)
    _CONSOLE.print(f"{num_entries} entries under the reference's names in {options.out}")
    return 0


def _from_reference(options: argparse.Namespace) -> int:
    if options.config is None:
        raise CheckpointError("--config is needed: the file says neither its data set nor its stream")
    checkpoint, unused = import_file(options.file, load_config(options.config, options.set))
    save_checkpoint(options.out, checkpoint)
    config, state = checkpoint.config, checkpoint.epoch_state
    num_entries = len(_reference_weights(config).from_ours(checkpoint.model))  # not all of ours is in such a file
    of_epoch = "".join(f", {name} {value:.3f}" for name, value in state.items())
    _CONSOLE.print(
        f"{num_entries} of {num_entries} entries matched, {len(unused)} unused ones left out; "
        f"{len(checkpoint.class_names)} classes{of_epoch}; epoch {checkpoint.position.epoch}"
    )
    if config.data.dataset == "ntu" and "depth" in config.modalities and config.clip.depth.mode != "wrapped":
        _CONSOLE.print(
            "warning: the authors' NTU depth weights were trained on depth that wraps around every 256 mm; "
            "--set clip.depth.mode=wrapped feeds them so"
        )
    _CONSOLE.print(f"written to {options.out}; next: python -m training.evaluate --checkpoint {options.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program("training.import_weights"), description=__doc__)
    parser.add_argument("file", type=Path, help="a model_best.pth.tar; with --to-reference, a checkpoint of ours")
    parser.add_argument("--config", type=Path, help="configuration of the network that the weights belong to")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one of its keys")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument("--to-reference", action="store_true", help="the other way round")
    return parser


if __name__ == "__main__":
    run_command(main)
