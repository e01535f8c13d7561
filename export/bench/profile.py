"""Where an artifact's time goes, by the module of the network that its operations are from."""

from export.bundle.folder import Bundle
from export.bundle.manifest import Artifact
from export.bundle.seeded_clips import seeded_inputs
from export.runtimes.registry import spec_of

_DEPTH = 3  # names of modules that are told apart, such as backbone.spatial.mixed_4c
_LEAST_SHARE = 0.005  # of a module that is told apart; below are copies and constants
_RUNS = 5


def profile(bundle: Bundle, artifact: Artifact) -> dict[str, float]:
    """Return milliseconds by module for one clip, the mean of a few runs, in the order of the network.

    The artifact's runtime must have a `profile`.
    """
    inputs = seeded_inputs(bundle.manifest.streams, bundle.manifest.clip_spec, batch=1)
    operations = spec_of(artifact).profile
    assert operations is not None  # only such artifacts are asked for
    milliseconds: dict[str, float] = {}
    for name, spent_ms in operations(bundle.path(artifact), artifact.precision, inputs, _RUNS):
        module = ".".join(name.partition("/")[0].split(".")[:_DEPTH]) if "/" in name else ""
        milliseconds[module] = milliseconds.get(module, 0.0) + spent_ms / _RUNS
    least = _LEAST_SHARE * sum(milliseconds.values())
    shown = {module: spent for module, spent in milliseconds.items() if module and spent >= least}
    return {**shown, "other": sum(milliseconds.values()) - sum(shown.values())}
