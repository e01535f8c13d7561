"""Artifacts that are timed side by side: each in a process of its own, so that memory and loading are its own, too."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from export.bundle.folder import Bundle, read_bundle
from export.bundle.seeded_clips import seeded_inputs
from export.runtimes import Runtime
from export.runtimes.machine import be_killed_first, forget_peak_memory, peak_memory_mb
from export.runtimes.registry import spec_of
from export.runtimes.spec import RuntimeSpec
from rgbd.errors import UserError
from rgbd.interrupt import CTRL_C, blocked_in_new_processes

TORCH = "torch-fp32"  # not in the bundle: its checkpoint, in PyTorch


@dataclass
class Contender:
    """A loaded artifact in another process."""

    name: str
    load_s: float
    _connection: Connection

    def run(self, batch: int) -> float:
        """Return the seconds that one run on a batch of clips takes."""
        return self._ask(batch)

    def peak_mb(self) -> float:
        """Return the most memory that the process has had, or has had since this was asked last, in megabytes."""
        return self._ask(None)

    def _ask(self, question: int | None) -> float:
        with _told_death(self.name):
            self._connection.send(question)
            return _receive(self._connection)


@dataclass(frozen=True)
class Row:
    """What an artifact did with batches of one size."""

    artifact: str
    batch: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    clips_per_s: float
    load_s: float
    peak_mb: float


@contextmanager
def contenders(bundle: Bundle, names: Sequence[str]) -> Iterator[list[Contender]]:
    """Yield the bundle's artifacts of these names, loaded; raises `UserError` where one cannot be."""
    context = get_context("spawn")
    with ExitStack() as stack:
        started = []
        for name in names:
            ours, theirs = context.Pipe()
            # Its spec goes along: a runtime is known there as it is here.
            spec = None if name == TORCH else spec_of(bundle.artifact(name))
            process = context.Process(target=_serve, args=(theirs, bundle.folder, name, spec), daemon=True)
            with blocked_in_new_processes(CTRL_C):  # the benchmark ends them by SIGTERM
                process.start()
            theirs.close()
            stack.callback(process.join)
            stack.callback(process.terminate)
            with _told_death(name):
                started.append(Contender(name, _receive(ours), ours))
        yield started


@contextmanager
def _told_death(name: str) -> Iterator[None]:
    """Turn the death of the process that runs an artifact into what a user can do about it."""
    try:
        yield
    except (EOFError, ConnectionError) as error:
        raise UserError(
            f"the process that ran {name} has died, as it does where memory is short; close other programs, or ask for "
            "fewer clips at a time"
        ) from error


def _receive(connection: Connection) -> float:
    answer: float | UserError = connection.recv()
    if isinstance(answer, UserError):
        raise answer
    return answer


def _load(bundle: Bundle, name: str, spec: RuntimeSpec | None) -> Runtime:
    if spec is not None:
        artifact = bundle.artifact(name)
        return spec.load(bundle.path(artifact), artifact.precision, spec.home, bundle.manifest.max_batch, None)
    from export.verification.source import source_of  # noqa: PLC0415  PyTorch's memory is not the other contenders'

    return source_of(bundle).pytorch


def _serve(connection: Connection, folder: Path, name: str, spec: RuntimeSpec | None) -> None:
    """Load an artifact, then answer: a number of clips with how long they take, None with the most memory since."""
    be_killed_first()
    try:
        bundle = read_bundle(folder)
        start = time.perf_counter()
        runtime = _load(bundle, name, spec)
        connection.send(time.perf_counter() - start)
    except UserError as error:
        connection.send(error)
        return
    manifest = bundle.manifest
    inputs = {}
    while True:
        try:
            batch = connection.recv()
        except EOFError:  # nobody asks any more
            return
        if batch is None:
            connection.send(peak_memory_mb())
            forget_peak_memory()
            continue
        if batch not in inputs:
            inputs[batch] = seeded_inputs(manifest.streams, manifest.clip_spec, batch)
        start = time.perf_counter()
        runtime.infer(inputs[batch])
        connection.send(time.perf_counter() - start)
