"""What an export starts from: a checkpoint, its network and PyTorch, loaded once."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from export.bundle.folder import Bundle, sha256
from export.bundle.manifest import BundleError
from export.verification.pytorch import TorchRuntime
from rgbd.errors import UserError
from training.networks.family import family_of
from training.networks.live import LiveForm
from training.run.checkpoint import Checkpoint, load_checkpoint, restore_network


@dataclass(frozen=True)
class Source:
    """A checkpoint in `path`, and its network in PyTorch, in evaluation.

    `checkpoint` has no weights: the network has them, and they need not be in memory twice.
    """

    path: Path
    sha256: str
    checkpoint: Checkpoint
    network: nn.Module
    pytorch: TorchRuntime


def load_source(path: Path) -> Source:
    """Return the checkpoint in `path`, loaded; raises `CheckpointError` where it is none."""
    checkpoint = load_checkpoint(path)
    return _source(path, sha256(path), checkpoint)


def source_of(bundle: Bundle, path: Path | None = None) -> Source:
    """Return what the bundle was made of, from `path` or from where it lay then.

    Raises `UserError` where it is not there any more, or another one.
    """
    source = bundle.manifest.source
    path = path or Path(source.checkpoint)
    if not (path.is_file() and os.access(path, os.R_OK)):
        raise BundleError(f"{path}: cannot be read, and PyTorch computes the checkpoint; give it as --checkpoint")
    digest = sha256(path)
    if digest != source.checkpoint_sha256:
        raise BundleError(f"{path}: is not the checkpoint that {bundle.folder} was made of; give that as --checkpoint")
    return _source(path, digest, load_checkpoint(path))


def live_form_of(source: Source) -> LiveForm:
    """Return the network for streams without end; raises `UserError` where its family has no such form."""
    config = source.checkpoint.config
    form = family_of(config).live_form(source.network, config)
    if form is None:
        raise UserError(
            f"--live: the family {config.network.name} computes every window anew, from clips; leave --live out"
        )
    return form


def _source(path: Path, digest: str, checkpoint: Checkpoint) -> Source:
    network = restore_network(checkpoint)
    without: dict[str, Any] = {"model": {}, "averaged": None, "use_averaged": False, "training": {}}
    checkpoint = checkpoint.model_copy(update=without)
    return Source(path, digest, checkpoint, network, TorchRuntime(network, checkpoint.config.modalities))
