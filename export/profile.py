"""Where an artifact's time goes, by the module of the network that its operations are from."""

import openvino

from export.bundle import Artifact, Bundle
from export.clips import seeded_inputs
from export.runtimes.openvino import settings_of

_DEPTH = 3  # names of modules that are told apart, such as backbone.spatial.mixed_4c
_LEAST_SHARE = 0.005  # of a module that is told apart; below are copies and constants
_RUNS = 5


def openvino_profile(bundle: Bundle, artifact: Artifact) -> dict[str, float]:
    """Return milliseconds by module for one clip, the mean of a few runs, in the order of the network."""
    model = openvino.Core().compile_model(
        str(bundle.path(artifact)), "CPU", {**settings_of(artifact.precision), "PERF_COUNT": True}
    )
    request = model.create_infer_request()
    inputs = seeded_inputs(bundle.manifest.streams, bundle.manifest.clip_spec, batch=1)
    milliseconds: dict[str, float] = {}
    for number in range(1 + _RUNS):
        request.infer(inputs)
        if number == 0:
            continue  # the first one allocates
        for node in request.get_profiling_info():
            module = ".".join(node.node_name.partition("/")[0].split(".")[:_DEPTH]) if "/" in node.node_name else ""
            spent = node.real_time.total_seconds() * 1000 / _RUNS
            milliseconds[module] = milliseconds.get(module, 0.0) + spent
    least = _LEAST_SHARE * sum(milliseconds.values())
    shown = {module: spent for module, spent in milliseconds.items() if module and spent >= least}
    return {**shown, "other": sum(milliseconds.values()) - sum(shown.values())}
