"""The runtimes that there are: a new one is a module with its `SPEC`, and an entry here."""

from export.bundle.folder import Bundle
from export.bundle.manifest import Artifact, BundleFile, ForRuntime, Precision
from export.runtimes import onnxruntime, openvino, tensorrt
from export.runtimes.spec import RuntimeSpec
from rgbd.errors import UserError

RUNTIMES = {spec.name: spec for spec in (onnxruntime.SPEC, openvino.SPEC, tensorrt.SPEC)}

REFERENCE = onnxruntime.SPEC  # what others are held to where one of them computes an ONNX file wrongly


def spec_of(artifact: ForRuntime) -> RuntimeSpec:
    """Return the artifact's runtime; raises `UserError` for one, or a precision, that this version does not know."""
    if reason := unknown_reason(artifact):
        raise UserError(f"{artifact.name}: {reason}")
    return RUNTIMES[artifact.runtime]


def unknown_reason(artifact: ForRuntime) -> str | None:
    """Return the sentence about an artifact of a version to come, whose runtime or precision is not in the registry."""
    spec = RUNTIMES.get(artifact.runtime)
    if spec is None:
        known = ", ".join(RUNTIMES)
        return f"this version of rgbd-motion knows no runtime {artifact.runtime!r}, only {known}; update it"
    if artifact.precision not in spec.files:
        known = ", ".join(spec.files)
        return f"this version of rgbd-motion knows no {spec.name} in {artifact.precision!r}, only in {known}; update it"
    return None


def files_of(bundle: Bundle, artifact: Artifact) -> list[BundleFile]:
    """Return the files of a bundle that an artifact is loaded from, as far as this version knows its runtime."""
    names = {artifact.path, f"{artifact.path}.data"}  # ONNX files over 2 GB have their weights in .data
    if unknown_reason(artifact) is None:
        names.add(spec_of(artifact).files[artifact.precision].weights or artifact.path)
    return [file for file in bundle.manifest.files if file.path in names]


def artifacts() -> tuple[Artifact, ...]:
    """Return all that can be made of a checkpoint, in the order in which they are listed."""
    return tuple(
        Artifact(runtime=spec.name, precision=precision, path=file.name)
        for spec in RUNTIMES.values()
        for precision, file in spec.files.items()
    )


def formats() -> dict[str, RuntimeSpec]:
    """Return the runtimes by what the command line calls them."""
    return {spec.format: spec for spec in RUNTIMES.values()}


def precisions() -> tuple[Precision, ...]:
    """Return the precisions that there are artifacts of."""
    return tuple(dict.fromkeys(artifact.precision for artifact in artifacts()))


def devices() -> tuple[str, ...]:
    """Return the devices that one runtime or another computes on."""
    return tuple(dict.fromkeys(device for spec in RUNTIMES.values() for device in spec.devices))
