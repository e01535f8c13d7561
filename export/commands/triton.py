"""`python -m export triton BUNDLE --out REPOSITORY`: a model repository for NVIDIA Triton."""

import argparse
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from export.bundle.archive import open_bundle
from export.bundle.folder import Bundle
from export.bundle.manifest import Artifact, BundleError, TensorInfo
from export.runtimes.registry import artifacts, files_of, spec_of
from rgbd.errors import UserError
from rgbd.files import atomic_folder
from rgbd.locks import sole_writer
from rgbd.overlap import check_apart
from rgbd.terminal import positive, say

# The first artifact that Triton has a backend for.
_USUAL = next(item.name for item in artifacts() if spec_of(item).triton_backend)
_TYPES = {"uint8": "TYPE_UINT8", "float32": "TYPE_FP32"}
_NUMBER = re.compile("[1-9][0-9]{0,17}")  # 64 bits hold it
_MAX_DELAY_US = 5000  # a clip takes tens of milliseconds: waiting this long for others costs little

_CONFIG = """\
# Written by `python -m export triton`. Inputs are clips as the bundle's clip_spec says, outputs are logits: divide them
# by the parameter `temperature` before the softmax.
name: {name}
backend: "{backend}"
default_model_filename: {file}
max_batch_size: {max_batch}
{tensors}
dynamic_batching {{
  max_queue_delay_microseconds: {delay}
}}
{warmups}
parameters {{ key: "temperature" value {{ string_value: "{temperature}" }} }}
parameters {{ key: "version" value {{ string_value: {version} }} }}
parameters {{ key: "clip_spec" value {{ string_value: {clip_spec} }} }}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command reads."""
    parser.add_argument("bundle", type=Path, help="what `python -m export` wrote")
    parser.add_argument("--out", type=Path, required=True, help="the repository; other models in it stay")
    parser.add_argument("--artifact", default=_USUAL, metavar="NAME", help=f"({_USUAL})")
    parser.add_argument("--max-batch", type=positive, metavar="N", help="clips at a time (as many as the bundle takes)")


def run(options: argparse.Namespace) -> int:
    """Write a model repository; returns the exit code."""
    with open_bundle(options.bundle) as bundle:
        max_batch = options.max_batch or bundle.manifest.max_batch
        if max_batch > bundle.manifest.max_batch:
            raise UserError(f"{options.bundle}: was exported for batches of up to {bundle.manifest.max_batch} clips")
        check_apart([options.out / bundle.manifest.name], [options.bundle])
        folder = write_model(bundle, bundle.artifact(options.artifact), options.out, max_batch)
    say(f"ORT_DISABLE_TELEMETRY=1 tritonserver --model-repository {options.out}: {folder}")
    return 0


def write_model(bundle: Bundle, artifact: Artifact, repository: Path, max_batch: int) -> Path:
    """Write one artifact as a model with its configuration and its labels, and return its folder.

    Raises `UserError` where the name is taken by something else, or Triton has no backend for the artifact.
    """
    spec = spec_of(artifact)
    if spec.triton_backend is None:
        raise BundleError(f"{bundle.folder}: {artifact.name} has no backend in Triton that reads it; choose another")
    if reason := spec.triton_refuses.get(artifact.precision):
        raise BundleError(reason)
    folder = repository / bundle.manifest.name
    if folder.exists() and not (folder / "config.pbtxt").is_file():
        raise UserError(f"{folder}: exists and is no model of Triton's; choose another --out")
    with sole_writer(folder), atomic_folder(folder) as temporary:
        version = temporary / _triton_version(bundle.manifest.version)
        version.mkdir()
        for file in files_of(bundle, artifact):
            shutil.copyfile(bundle.folder / file.path, version / file.path)
        (temporary / "config.pbtxt").write_text(config(bundle, artifact, max_batch), encoding="utf-8")
        (temporary / "labels.txt").write_text("".join(f"{label}\n" for label in bundle.manifest.labels), "utf-8")
    return folder


def _triton_version(version: str) -> str:
    """Return the version's folder: Triton passes over those that are not called by a number, so that others are 1."""
    return version if _NUMBER.fullmatch(version) else "1"


def config(bundle: Bundle, artifact: Artifact, max_batch: int) -> str:
    """Return the model's config.pbtxt."""
    manifest = bundle.manifest
    tensors = [_tensor("input", tensor) for tensor in manifest.inputs]
    tensors += [_tensor("output", tensor) for tensor in manifest.outputs]
    return _CONFIG.format(
        name=json.dumps(manifest.name),
        backend=spec_of(artifact).triton_backend,
        file=json.dumps(artifact.path),
        max_batch=max_batch,
        tensors="\n".join(tensors),
        delay=_MAX_DELAY_US,
        warmups="\n".join(_warmup(manifest.inputs, batch) for batch in sorted({1, max_batch})),
        temperature=manifest.temperature,
        version=json.dumps(manifest.version),
        clip_spec=json.dumps(manifest.clip_spec.model_dump_json()),
    )


def _warmup(inputs: Sequence[TensorInfo], batch: int) -> str:
    """Return how Triton tries a batch of so many clips before it says that the model is ready."""
    tensors = " ".join(
        f"inputs {{ key: {json.dumps(tensor.name)} value {{ {_kind(tensor)} zero_data: true }} }}" for tensor in inputs
    )
    return f'model_warmup {{ name: "batch of {batch}" batch_size: {batch} {tensors} }}'


def _tensor(kind: str, tensor: TensorInfo) -> str:
    labels = ' label_filename: "labels.txt"' if kind == "output" else ""
    return f"{kind} {{ name: {json.dumps(tensor.name)} {_kind(tensor)}{labels} }}"


def _kind(tensor: TensorInfo) -> str:
    """Return the type, and the shape without the batch, which Triton adds itself."""
    return f"data_type: {_TYPES[tensor.dtype]} dims: {list(tensor.shape[1:])}"
