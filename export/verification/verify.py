"""Every artifact is loaded, compared with PyTorch on the same clips, and timed."""

import statistics
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from export.bundle.folder import Bundle, write_manifest
from export.bundle.manifest import Artifact, LiveArtifact, Speed
from export.bundle.seeded_clips import seeded_inputs
from export.runtimes import Inputs, Outputs, Runtime
from export.runtimes.loading import home_of, load_artifact, unavailable_reason
from export.runtimes.machine import machine
from export.runtimes.registry import REFERENCE, spec_of
from export.verification.dataset_clips import real_inputs
from export.verification.first_difference import first_difference
from export.verification.live import LongRecording, ask_pytorch, verify_live
from export.verification.parity import check_parity, measure_parity
from export.verification.source import Source
from rgbd.errors import UserError
from rgbd.steps import step

_TIMED_RUNS = 5
_NUM_REAL_CLIPS = 32


def verify_bundle(bundle: Bundle, source: Source, data: Path | None, device: str | None = None) -> Bundle:
    """Return the bundle with parity and speed as measured now, and write them into its bundle.json.

    Each artifact runs on `device`, or where it is at home; its speed elsewhere stays as it was, and what this machine
    cannot run keeps all its figures. `data` is a processed data set with real clips to compare on. Raises `UserError`
    where an artifact is too far from PyTorch.
    """
    batches, where = _clips(source, data, bundle.manifest.max_batch)
    expected = _answers(source.pytorch, batches)
    artifacts = []
    for artifact in bundle.manifest.artifacts:
        if unavailable_reason(artifact, device) is None:
            place = device or home_of(artifact)
            with step(f"comparing {artifact.name} with PyTorch, and timing it"):
                artifact = _verify(bundle, artifact, place, batches, expected, where)  # noqa: PLW2901  the same
        artifacts.append(artifact)
    figures: dict[str, object] = {"artifacts": tuple(artifacts)}
    if (live := bundle.manifest.live) is not None:
        with step("asking PyTorch about a stream of these clips"):
            recording = ask_pytorch(source, batches)
        compared = [_verify_live(bundle, item, device, recording, batches, expected, where) for item in live.artifacts]
        figures["live"] = live.model_copy(update={"artifacts": tuple(compared)})
    verified = Bundle(bundle.folder, bundle.manifest.model_copy(update=figures))
    write_manifest(bundle.folder, verified.manifest)
    return verified


def _verify_live(
    bundle: Bundle,
    artifact: LiveArtifact,
    device: str | None,
    recording: LongRecording,
    batches: Sequence[Inputs],
    expected: Sequence[Outputs],
    where: str,
) -> LiveArtifact:
    """Return the artifact, compared where this machine can run it."""
    if unavailable_reason(artifact, device) is not None:
        return artifact
    with step(f"comparing {artifact.name} for streams without end with PyTorch"):
        return verify_live(bundle, artifact, device or home_of(artifact), batches, expected, recording, where)


def _clips(source: Source, data: Path | None, max_batch: int) -> tuple[list[Inputs], str]:
    """Return clips in batches of several sizes, and where they are from: the batch axis must really be dynamic."""
    streams, spec = source.checkpoint.config.modalities, source.checkpoint.config.clip
    sizes = sorted({1, min(2, max_batch), max_batch})
    largest = seeded_inputs(streams, spec, sizes[-1])
    # The small batches are parts of the largest: PyTorch need not answer for more clips.
    batches: list[Inputs] = [{name: clips[:size] for name, clips in largest.items()} for size in sizes]
    if data is None:
        return batches, "made from a seed"
    return [*batches, *real_inputs(source.checkpoint, data, _NUM_REAL_CLIPS)], f"made from a seed, and {data}"


def _answers(reference: Runtime, batches: Sequence[Inputs]) -> list[Outputs]:
    """Return the reference's outputs for each batch, a clip at a time, and no clip twice."""
    known: dict[bytes, Outputs] = {}
    with step("asking PyTorch about these clips", sum(map(_num_clips, batches))) as advance:

        def answer(clip: Inputs) -> Outputs:
            advance()
            mark = sha256(b"".join(values.tobytes() for values in clip.values())).digest()
            if mark not in known:
                known[mark] = reference.infer(clip)
            return known[mark]

        return [_one_by_one(answer, inputs) for inputs in batches]


def _num_clips(inputs: Inputs) -> int:
    (num_clips,) = {len(clips) for clips in inputs.values()}
    return num_clips


def _one_by_one(answer: Callable[[Inputs], Outputs], inputs: Inputs) -> Outputs:
    """Return the outputs for a batch whose clips cannot influence each other."""
    rows = [answer({name: clips[i : i + 1] for name, clips in inputs.items()}) for i in range(_num_clips(inputs))]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def _verify(
    bundle: Bundle,
    artifact: Artifact,
    device: str,
    batches: Sequence[Inputs],
    expected: Sequence[Outputs],
    where: str,
) -> Artifact:
    runtime = load_artifact(bundle, artifact, device)
    actual = [runtime.infer(inputs) for inputs in batches]
    parity = measure_parity(expected, actual, bundle.manifest.temperature, where)
    try:
        check_parity(artifact.name, artifact.precision, parity)
    except UserError as error:
        raise UserError(f"{error}{_where_it_begins(bundle, artifact, device)}") from error
    clip = seeded_inputs(bundle.manifest.streams, bundle.manifest.clip_spec, batch=1)
    seconds = statistics.median(_time(runtime, clip) for _ in range(_TIMED_RUNS))
    speeds = {**artifact.speeds, device: Speed(latency_ms=1000 * seconds, machine=machine())}
    return artifact.model_copy(update={"parity": parity, "speeds": speeds})


def _where_it_begins(bundle: Bundle, artifact: Artifact, device: str) -> str:
    """Return the end of a sentence that tells where a runtime, other than the reference itself, begins to differ."""
    spec, path = spec_of(artifact), bundle.path(artifact)
    if spec is REFERENCE or path.suffix != ".onnx":
        return ""
    clip = seeded_inputs(bundle.manifest.streams, bundle.manifest.clip_spec, batch=1)
    try:
        module = first_difference(
            path, lambda exposed: spec.load(exposed, artifact.precision, device, 1, exposed.parent), clip
        )
    except UserError as error:  # such as on the processor, where the reference has no convolutions in bfloat16
        return f"; where it begins cannot be told: {error}"
    return f"; against {REFERENCE.title} it first differs in {module}" if module else ""


def _time(runtime: Runtime, clip: Inputs) -> float:
    start = time.perf_counter()
    runtime.infer(clip)
    return time.perf_counter() - start
