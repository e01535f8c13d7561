"""Exported graphs of one stream and of the fusion in each runtime of the device: parity with PyTorch, and speed."""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.gpu_check.installed import missing
from benchmarks.gpu_check.networks import NAMES, config_of, use_tf32
from benchmarks.gpu_check.rows import Row, compared, failed, measured, skipped
from benchmarks.support.untrained import untrained
from export.build.describe import describe, known_answer
from export.build.files import write_files
from export.build.plan import ExportOptions
from export.bundle.folder import Bundle
from export.bundle.manifest import Artifact
from export.bundle.seeded_clips import seeded_inputs
from export.runtimes import Outputs
from export.runtimes.loading import load_artifact, unavailable_reason
from export.runtimes.registry import artifacts, spec_of
from export.verification.parity import LIMITS, measure_parity
from export.verification.pytorch import TorchRuntime
from export.verification.source import load_source
from rgbd.types import Modality

_RUNTIMES = ("onnxruntime", "tensorrt")
_PRECISIONS = ("fp32", "fp16", "bf16")  # int8 needs a data set to calibrate on
_PLACES = {"cuda": ("cuda", "tensorrt"), "cpu": ("cpu",)}  # "tensorrt" is ONNX Runtime's provider
_BATCH = 2
_WARM_UP, _TIMED = 2, 10


def check(device: str, folder: Path) -> Iterator[Row]:
    yield from runtime_rows(device, "dsn", "rgb", folder)
    yield from runtime_rows(device, "dsn", "rgbd", folder)


def runtime_rows(device: str, family: str, modality: Modality, folder: Path) -> Iterator[Row]:
    """Yield parity and speed of each artifact on each place of the device, after PyTorch's own speed there."""
    use_tf32(False)
    name, path = f"{family} {modality}", folder / f"{family}-{modality}.pt"
    untrained(config_of(device, family, modality), NAMES, path)
    source = load_source(path)
    chosen = [each for each in artifacts() if each.runtime in _RUNTIMES and each.precision in _PRECISIONS]
    usable = [each for each in chosen if unavailable_reason(each, device) is None]
    options, answer = ExportOptions(), known_answer(source, answer_only=False)
    graphs = path.with_suffix("")
    graphs.mkdir()
    write_files(graphs, {spec_of(each).files[each.precision] for each in usable}, source, options, tuple(answer))
    manifest = describe(graphs, usable, source, options, answer, None)
    bundle = Bundle(graphs, manifest.model_copy(update={"max_batch": _BATCH}))
    clips = seeded_inputs(manifest.streams, manifest.clip_spec, _BATCH)
    one = {stream: values[:1] for stream, values in clips.items()}
    expected = source.pytorch.infer(clips)
    there = TorchRuntime(source.network, manifest.streams, device)
    yield measured(f"{name}: PyTorch, fp32", _milliseconds(lambda: there.infer(one)), "ms")
    for artifact in chosen:
        for place in _PLACES[device]:
            if place in spec_of(artifact).devices:
                label = f"{name}: {artifact.name}" + (f" on {place}" if place != device else "")
                yield from _rows(label, bundle, artifact, place, clips, expected)
            elif place == device:
                yield skipped(f"{name}: {artifact.name}", f"{artifact.runtime} does not run on {device}")


def _rows(
    label: str, bundle: Bundle, artifact: Artifact, place: str, clips: Outputs, expected: Outputs
) -> Iterator[Row]:
    if reason := unavailable_reason(artifact, place) or _without_gpu(artifact, place):
        yield skipped(label, reason)
        return
    try:
        runtime = load_artifact(bundle, artifact, place)
        parity = measure_parity([expected], [runtime.infer(clips)], bundle.manifest.temperature, label)
    except Exception as error:  # a runtime's errors have no common type
        yield failed(label, str(error).split("\n", maxsplit=1)[0])
        return
    limit, limit_of_probability = LIMITS[artifact.precision]
    yield compared(f"{label}: scores, from PyTorch's", parity.relative_difference, limit)
    yield compared(f"{label}: probabilities", parity.probability_difference, limit_of_probability)
    one = {stream: values[:1] for stream, values in clips.items()}
    yield measured(f"{label}: one clip", _milliseconds(lambda: runtime.infer(one)), "ms")


def _without_gpu(artifact: Artifact, place: str) -> str:
    """Return why an ONNX Runtime that is installed computes on no GPU, "" where nothing speaks against it."""
    if artifact.runtime != "onnxruntime" or place == "cpu":
        return ""
    return missing("onnxruntime-gpu", *(("tensorrt",) if place == "tensorrt" else ()))


def _milliseconds(run: Callable[[], object]) -> float:
    """Return the median of some runs; each of them brings its answer back to the CPU, and so has ended."""
    seconds = []
    for _ in range(_WARM_UP + _TIMED):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds[_WARM_UP:])
