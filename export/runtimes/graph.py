"""A graph of a bundle, loaded: in two forms where its runtime is faster at what comes one at a time."""

from dataclasses import dataclass
from pathlib import Path

from export.bundle.folder import Bundle
from export.bundle.manifest import ForRuntime
from export.runtimes import Inputs, Outputs, Runtime, RuntimeInfo, Shapes
from export.runtimes.registry import spec_of


@dataclass(frozen=True, eq=False)
class _FixedForOne:
    """A graph that has another form for inputs of the usual shapes: those of one clip, or one frame."""

    of_any: Runtime
    of_one: Runtime
    shapes: Shapes

    @property
    def info(self) -> RuntimeInfo:
        """See `Runtime.info`."""
        return self.of_any.info

    def infer(self, inputs: Inputs) -> Outputs:
        """See `Runtime.infer`."""
        is_one = all(inputs[name].shape == shape for name, shape in self.shapes.items())
        return (self.of_one if is_one else self.of_any).infer(inputs)


def load_graph(path: Path, bundle: Bundle, artifact: ForRuntime, device: str, shapes: Shapes) -> Runtime:
    """Return a file of the bundle in the artifact's runtime; raises `UserError` when that refuses it, or is not known.

    It takes inputs of any number, and those of `shapes` as fast as it can.
    """
    spec, precision = spec_of(artifact), artifact.precision
    runtime = spec.load(path, precision, device, bundle.manifest.max_batch, None)
    if spec.load_fixed is None:
        return runtime
    return _FixedForOne(runtime, spec.load_fixed(path, precision, device, shapes), shapes)
