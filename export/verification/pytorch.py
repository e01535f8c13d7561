"""PyTorch itself, behind the Protocol of the runtimes: what they are compared with."""

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from export.bundle.folder import Bundle, sha256
from export.bundle.manifest import BundleError
from export.runtimes import Inputs, Outputs, RuntimeInfo
from training.run.checkpoint import Checkpoint, load_checkpoint, restore_network


class TorchRuntime:
    """A network in float32; `streams` are its inputs in their order."""

    def __init__(self, network: nn.Module, streams: Sequence[str], device: str = "cpu") -> None:
        self._network = network.eval().to(device)
        self._streams = streams
        self.info = RuntimeInfo("torch", device, "fp32")

    @torch.inference_mode()
    def infer(self, inputs: Inputs) -> Outputs:
        """Return float32 [B, N] outputs by name; see `Runtime.infer`."""
        clips = (torch.from_numpy(inputs[stream]).to(self.info.device) for stream in self._streams)
        return {name: head.float().cpu().numpy() for name, head in self._network(*clips).heads().items()}


def source_checkpoint(bundle: Bundle, path: Path | None = None) -> Checkpoint:
    """Return the checkpoint that the bundle was made of, from `path` or from where it lay then.

    Raises `UserError` where it is not there any more, or another one.
    """
    source = bundle.manifest.source
    path = path or Path(source.checkpoint)
    if not os.access(path, os.R_OK):
        raise BundleError(f"{path}: cannot be read, and PyTorch computes the checkpoint; give it as --checkpoint")
    if sha256(path) != source.checkpoint_sha256:
        raise BundleError(f"{path}: is not the checkpoint that {bundle.folder} was made of; give that as --checkpoint")
    return load_checkpoint(path)


def load_reference(bundle: Bundle) -> TorchRuntime:
    """Return the bundle's network in PyTorch."""
    checkpoint = source_checkpoint(bundle)
    return TorchRuntime(restore_network(checkpoint), checkpoint.config.modalities)
