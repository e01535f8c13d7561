"""`python -m export triton BUNDLE --out REPOSITORY`: a model repository for NVIDIA Triton."""

import argparse
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from export.bundle.archive import open_bundle
from export.bundle.folder import Bundle, named
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
_MAX_IDLE_US = 60_000_000  # after which a stream that has stopped is forgotten
_MAX_DELAY_US = 5000  # a clip takes tens of milliseconds: waiting this long for others costs little

_LIVE_BACKEND = "onnxruntime"  # that keeps states from one request of a sequence to the next

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

_FEATURES_CONFIG = """\
# Written by `python -m export triton --live`. A sequence is a stream of frames; each request brings {history} frames
# that came before, the new ones behind them, and which of them are frames at all. Features lag {lag} frames behind.
name: {name}
backend: "{backend}"
default_model_filename: {file}
max_batch_size: {max_batch}
{tensors}
sequence_batching {{
  max_sequence_idle_microseconds: {idle}
  oldest {{ max_candidate_sequences: {max_batch} max_queue_delay_microseconds: {delay} }}
{states}
}}
parameters {{ key: "version" value {{ string_value: {version} }} }}
parameters {{ key: "clip_spec" value {{ string_value: {clip_spec} }} }}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command reads."""
    parser.add_argument("bundle", type=Path, help="what `python -m export` wrote")
    parser.add_argument("--out", type=Path, required=True, help="the repository; other models in it stay")
    parser.add_argument("--artifact", default=_USUAL, metavar="NAME", help=f"({_USUAL})")
    parser.add_argument("--max-batch", type=positive, metavar="N", help="clips at a time (as many as the bundle takes)")
    parser.add_argument("--live", action="store_true", help="models for streams without end: of features, and a head")


def run(options: argparse.Namespace) -> int:
    """Write a model repository; returns the exit code."""
    with open_bundle(options.bundle) as bundle:
        max_batch = options.max_batch or bundle.manifest.max_batch
        if max_batch > bundle.manifest.max_batch:
            raise UserError(f"{options.bundle}: was exported for batches of up to {bundle.manifest.max_batch} clips")
        check_apart([options.out / name for name in _names(bundle, live=options.live)], [options.bundle])
        if options.live:
            folders = write_live(bundle, options.artifact, options.out, max_batch)
        else:
            folders = [write_model(bundle, bundle.artifact(options.artifact), options.out, max_batch)]
    written = ", ".join(map(str, folders))
    say(f"ORT_DISABLE_TELEMETRY=1 tritonserver --model-repository {options.out}: {written}")
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
    files = [file.path for file in files_of(bundle, artifact)]
    return _write(folder, bundle, files, config(bundle, artifact, max_batch))


def write_live(bundle: Bundle, name: str, repository: Path, max_batch: int) -> list[Path]:
    """Write the graphs for streams of the artifact of that name, each as a model, and return their folders.

    Raises `UserError` as `write_model` does, and where the bundle has no such graphs, or Triton's backend no states.
    """
    live = bundle.manifest.live
    if live is None:
        raise BundleError(f"{bundle.folder}: has no graphs for streams without end; export it with --live")
    artifact = named(bundle, live.artifacts, name)
    if (backend := spec_of(artifact).triton_backend) != _LIVE_BACKEND:
        raise BundleError(
            f"{name}: the {backend} backend of Triton keeps no states between requests; choose onnxruntime-fp32"
        )
    *of_streams, of_head = _names(bundle, live=True)
    folders = []
    for folder, stream in zip(of_streams, bundle.manifest.streams, strict=True):
        path, text = artifact.features[stream], _features_config(bundle, folder, artifact.features[stream], max_batch)
        folders.append(_write(repository / folder, bundle, [path], text))
    text = _head_config(bundle, of_head, artifact.head, max_batch)
    return [*folders, _write(repository / of_head, bundle, [artifact.head], text)]


def _names(bundle: Bundle, *, live: bool) -> list[str]:
    """Return what the models are called."""
    name, streams = bundle.manifest.name, bundle.manifest.streams
    return [*(f"{name}-features-{stream}" for stream in streams), f"{name}-head"] if live else [name]


def _write(folder: Path, bundle: Bundle, files: Sequence[str], text: str) -> Path:
    """Write a model with its configuration and its labels, and return its folder."""
    if folder.exists() and not (folder / "config.pbtxt").is_file():
        raise UserError(f"{folder}: exists and is no model of Triton's; choose another --out")
    with sole_writer(folder), atomic_folder(folder) as temporary:
        version = temporary / _triton_version(bundle.manifest.version)
        version.mkdir()
        for file in files:
            shutil.copyfile(bundle.folder / file, version / Path(file).name)
        (temporary / "config.pbtxt").write_text(text, encoding="utf-8")
        (temporary / "labels.txt").write_text("".join(f"{label}\n" for label in bundle.manifest.labels), "utf-8")
    return folder


def _triton_version(version: str) -> str:
    """Return the version's folder: Triton passes over those that are not called by a number, so that others are 1."""
    return version if _NUMBER.fullmatch(version) else "1"


def config(bundle: Bundle, artifact: Artifact, max_batch: int) -> str:
    """Return the model's config.pbtxt."""
    backend = spec_of(artifact).triton_backend
    return _clip_config(bundle, bundle.manifest.name, f"{backend}", artifact.path, bundle.manifest.inputs, max_batch)


def _head_config(bundle: Bundle, name: str, path: str, max_batch: int) -> str:
    """Return the config.pbtxt of the head, which takes the features of windows."""
    live, num_frames = bundle.manifest.live, bundle.manifest.clip_spec.num_frames
    assert live is not None
    shape = ("batch", num_frames, live.steps.feature_dim)
    inputs = [
        TensorInfo(name=stream, dtype="float32", shape=shape, meaning="features") for stream in bundle.manifest.streams
    ]
    return _clip_config(bundle, name, _LIVE_BACKEND, path, inputs, max_batch)


def _clip_config(
    bundle: Bundle, name: str, backend: str, path: str, inputs: Sequence[TensorInfo], max_batch: int
) -> str:
    """Return the config.pbtxt of a model whose requests do not know each other."""
    manifest = bundle.manifest
    tensors = [_tensor("input", tensor) for tensor in inputs]
    tensors += [_tensor("output", tensor) for tensor in manifest.outputs]
    return _CONFIG.format(
        name=json.dumps(name),
        backend=backend,
        file=json.dumps(Path(path).name),
        max_batch=max_batch,
        tensors="\n".join(tensors),
        delay=_MAX_DELAY_US,
        warmups="\n".join(_warmup(inputs, batch) for batch in sorted({1, max_batch})),
        temperature=manifest.temperature,
        version=json.dumps(manifest.version),
        clip_spec=json.dumps(manifest.clip_spec.model_dump_json()),
    )


def _features_config(bundle: Bundle, name: str, path: str, max_batch: int) -> str:
    """Return the config.pbtxt of the features of a stream, whose requests go on where those before have stopped."""
    manifest = bundle.manifest
    assert manifest.live is not None
    steps, (width, height) = manifest.live.steps, manifest.clip_spec.size
    tensors = (
        f'input {{ name: "frames" data_type: TYPE_UINT8 dims: [-1, {height}, {width}, 3] }}',
        'input { name: "seen" data_type: TYPE_FP32 dims: [-1] }',
        f'output {{ name: "features" data_type: TYPE_FP32 dims: [-1, {steps.feature_dim}] }}',
    )
    return _FEATURES_CONFIG.format(
        history=steps.history,
        lag=steps.lag,
        name=json.dumps(name),
        backend=_LIVE_BACKEND,
        file=json.dumps(Path(path).name),
        max_batch=max_batch,
        tensors="\n".join(tensors),
        idle=_MAX_IDLE_US,
        delay=_MAX_DELAY_US,
        states="\n".join(_state(number, shape) for number, shape in enumerate(steps.state_shapes)),
        version=json.dumps(manifest.version),
        clip_spec=json.dumps(manifest.clip_spec.model_dump_json()),
    )


def _state(number: int, shape: Sequence[int]) -> str:
    """Return one of the states, which begin as zeros."""
    kind = f"data_type: TYPE_FP32 dims: {list(shape)}"
    return (
        f'  state {{ input_name: "state_{number}" output_name: "next_{number}" {kind} '
        f'initial_state {{ name: "zeros" {kind} zero_data: true }} }}'
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
