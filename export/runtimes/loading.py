"""Which artifact of a bundle runs here, and how it is loaded."""

from importlib.util import find_spec

from export.bundle import Artifact, Bundle
from export.runtimes import Runtime
from preprocess.errors import UserError

_PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "tensorrt": "tensorrt"}
_DEVICES = {"onnxruntime": {"cpu", "cuda"}, "openvino": {"cpu"}, "tensorrt": {"cuda"}}


def load_runtime(bundle: Bundle, device: str = "cpu", name: str | None = None) -> Runtime:
    """Return the bundle's artifact of this name, ready to run on `device` ("cpu" or "cuda").

    Without a name the fastest, as measured when it was exported, of those that this machine can run. Raises
    `UserError` when it can run none of them, or not the one that is named.
    """
    if name is not None:
        artifact = bundle.artifact(name)
        if reason := why_not(artifact, device):
            raise UserError(f"{bundle.folder}: {name} cannot run here: {reason}")
        return load_artifact(bundle, artifact, device)
    reasons = {artifact.name: why_not(artifact, device) for artifact in bundle.manifest.artifacts}
    usable = [artifact for artifact in bundle.manifest.artifacts if not reasons[artifact.name]]
    if not usable:
        listed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise UserError(f"{bundle.folder}: nothing in it runs on {device!r} here ({listed})")
    fastest = min(usable, key=lambda artifact: artifact.speed.latency_ms if artifact.speed else float("inf"))
    return load_artifact(bundle, fastest, device)


def why_not(artifact: Artifact, device: str) -> str | None:
    """Return why this machine cannot run the artifact on the device; None if nothing speaks against it."""
    if device not in _DEVICES[artifact.runtime]:
        return f"{artifact.runtime} does not run on {device!r}"
    if find_spec(_PACKAGES[artifact.runtime]) is None:
        return f"{artifact.runtime} is not installed"
    if artifact.runtime == "openvino":
        from export.runtimes.openvino import can_compute  # noqa: PLC0415  imported when chosen, as this package promises

        if not can_compute(artifact.precision):
            return f"this processor has no {artifact.precision} instructions"
    return None


def load_artifact(bundle: Bundle, artifact: Artifact, device: str, *, num_threads: int = 0) -> Runtime:
    """Load one artifact; raises `UserError` when its runtime refuses it."""
    path = bundle.path(artifact)
    if artifact.runtime == "openvino":
        from export.runtimes.openvino import OpenVinoRuntime  # noqa: PLC0415

        return OpenVinoRuntime(path, artifact.precision, num_threads=num_threads)
    from export.runtimes.onnxruntime import OnnxRuntime  # noqa: PLC0415

    return OnnxRuntime(path, device, artifact.precision, num_threads=num_threads)
