"""Where an artifact's time goes, by the module of the network that its operations are from."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

from export.bundle.folder import Bundle
from export.bundle.manifest import Artifact
from export.bundle.seeded_clips import seeded_inputs
from export.runtimes import Inputs

PROFILED = ("onnxruntime", "openvino")  # runtimes that tell how long each operation takes

_DEPTH = 3  # names of modules that are told apart, such as backbone.spatial.mixed_4c
_LEAST_SHARE = 0.005  # of a module that is told apart; below are copies and constants
_RUNS = 5


def profile(bundle: Bundle, artifact: Artifact) -> dict[str, float]:
    """Return milliseconds by module for one clip, the mean of a few runs, in the order of the network.

    The artifact's runtime must be one of `PROFILED`. The first run, which allocates, does not count.
    """
    inputs = seeded_inputs(bundle.manifest.streams, bundle.manifest.clip_spec, batch=1)
    run = _openvino if artifact.runtime == "openvino" else _onnxruntime
    milliseconds: dict[str, float] = {}
    for name, spent_ms in run(bundle.path(artifact), artifact.precision, inputs):
        module = ".".join(name.partition("/")[0].split(".")[:_DEPTH]) if "/" in name else ""
        milliseconds[module] = milliseconds.get(module, 0.0) + spent_ms / _RUNS
    least = _LEAST_SHARE * sum(milliseconds.values())
    shown = {module: spent for module, spent in milliseconds.items() if module and spent >= least}
    return {**shown, "other": sum(milliseconds.values()) - sum(shown.values())}


def _openvino(path: Path, precision: str, inputs: Inputs) -> Iterable[tuple[str, float]]:
    """Yield each operation of each run, and its milliseconds."""
    import openvino  # noqa: PLC0415  an optional dependency

    from export.runtimes.openvino import settings_of  # noqa: PLC0415

    model = openvino.Core().compile_model(str(path), "CPU", {**settings_of(precision), "PERF_COUNT": True})
    request = model.create_infer_request()
    request.infer(dict(inputs))
    for _ in range(_RUNS):
        request.infer(dict(inputs))
        for node in request.get_profiling_info():
            yield node.node_name, node.real_time.total_seconds() * 1000


def _onnxruntime(path: Path, _precision: str, inputs: Inputs) -> Iterable[tuple[str, float]]:
    """Yield each operation of each run, and its milliseconds."""
    import onnxruntime  # noqa: PLC0415  an optional dependency

    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(str(path), options)
        for _ in range(1 + _RUNS):
            session.run(None, dict(inputs))
        events = json.loads(Path(session.end_profiling()).read_text())
    starts = [event["ts"] for event in events if event["name"] == "model_run"]
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time") and event["ts"] >= starts[1]:
            yield event["name"].removesuffix("_kernel_time"), event["dur"] / 1000
