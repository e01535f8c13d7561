"""What there is to know about a runtime, without importing it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

from export.bundle.manifest import Precision
from export.runtimes import Inputs, Runtime, Shapes
from export.runtimes.devices import kind_of

Form = Literal["frames", "volumes"]  # the network's forms for inference; docs/export.md has which is faster where


@dataclass(frozen=True)
class Graph:
    """An ONNX graph of the network; in "int8" the one of float32 is quantized."""

    form: Form
    precision: Precision


@dataclass(frozen=True)
class ModelFile:
    """A file of a bundle that a runtime loads: the ONNX graph itself, or what `write(onnx, file)` makes of it.

    Runtimes that read the same file name the same one, and it is written once. `weights` is the file beside it that
    holds them, where they are not in it.
    """

    name: str
    graph: Graph
    write: Callable[[Path, Path], None] | None = None
    weights: str | None = None


class Load(Protocol):
    """Loads a file; what it builds for that is kept in `engines`, by default in the user's cache."""

    def __call__(self, path: Path, precision: Precision, device: str, max_batch: int, engines: Path | None) -> Runtime:
        """Return the file in the runtime; raises `UserError` where the runtime refuses it."""
        ...


class LoadFixed(Protocol):
    """Loads a file for inputs of these shapes alone."""

    def __call__(self, path: Path, precision: Precision, device: str, shapes: Shapes) -> Runtime:
        """Return the file in the runtime; raises `UserError` where the runtime refuses it."""
        ...


Profile = Callable[[Path, Precision, Inputs, int], Iterable[tuple[str, float]]]


def nothing_missing(_precision: Precision) -> str | None:
    """Return None: where its packages are, such a runtime runs."""
    return None


@dataclass(frozen=True, eq=False)
class RuntimeSpec:
    """A runtime: planning, exporting, verifying, measuring and serving go by it, and know no runtime by its name.

    `files` are what it loads, by precision, in the order in which artifacts are listed. Functions import the runtime
    when they are called.
    """

    name: str  # in bundle.json
    title: str  # in sentences
    format: str  # of --formats
    packages: tuple[str, ...]  # that must be installed, as they are imported
    devices: tuple[str, ...]  # that it computes on; the first is where it is at home
    files: Mapping[Precision, ModelFile]
    load: Load
    load_fixed: LoadFixed | None = None  # where that computes faster than `load`
    missing: Callable[[Precision], str | None] = nothing_missing  # on a machine that has the packages
    profile: Profile | None = None  # yields each operation of so many runs, and its milliseconds
    build: Callable[[Path, Precision, int], Path] | None = None  # makes the engine that loading would wait for
    is_made_where_named: bool = False  # for another machine, where --formats names it
    runs_live: bool = False  # whether it takes the graphs for streams without end
    triton_backend: str | None = None
    triton_refuses: Mapping[Precision, str] = field(default_factory=dict)  # and why

    @property
    def home(self) -> str:
        """The device that its artifacts are made for."""
        return self.devices[0]

    def unavailable_reason(self, precision: Precision, device: str) -> str | None:
        """Return why this machine cannot run the precision on the device; None if nothing speaks against it."""
        if kind_of(device) not in self.devices:
            return f"{self.name} does not run on {device!r}"
        for package in self.packages:
            if find_spec(package) is None:
                return f"{package} is not installed"
        return self.missing(precision)
