"""How many clips at a time a bundle promises: as many as memory holds, measured on this machine."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from export.bench.contenders import Contender, contenders
from export.bundle.folder import Bundle
from export.runtimes.loading import home_of, unavailable_reason
from export.runtimes.machine import available_memory_mb
from rgbd.errors import UserError
from rgbd.steps import step

_USUAL = 8  # the most that is promised where nothing else is asked for
_SHARE = 0.5  # of what is available, unless a batch is asked for: others want memory, too


@dataclass(frozen=True)
class MemoryNeed:
    """What a process that runs an artifact takes, in megabytes: to load it, for one clip, for each further one."""

    artifact: str
    load_mb: float
    one_mb: float
    further_mb: float

    def total_mb(self, batch: int) -> float:
        """Return what it takes with so many clips at a time."""
        return max(self.load_mb, self.one_mb + (batch - 1) * self.further_mb)


def choose_max_batch(bundle: Bundle, asked: int | None) -> tuple[int, str]:
    """Return how many clips at a time the bundle is to take, and a sentence that says why.

    Each artifact that runs on this processor is tried with one clip and with two, in a process of its own; the one that
    takes the most decides. Raises `UserError` where what is asked for does not fit, or not even the trial.
    """
    here = [artifact for artifact in bundle.manifest.artifacts if unavailable_reason(artifact, "cpu") is None]
    names = [artifact.name for artifact in here if home_of(artifact) == "cpu"]
    available_mb = available_memory_mb()
    if not names or math.isnan(available_mb):
        batch = asked or _USUAL
        return batch, f"up to {batch} clips at a time; what they take was not measured here"
    needs = [_measure(bundle, name, available_mb, asked) for name in names]
    return fit_batch(needs, available_mb, asked)


def fit_batch(needs: Sequence[MemoryNeed], available_mb: float, asked: int | None) -> tuple[int, str]:
    """Return as `choose_max_batch` does, of what was measured."""

    def largest(most: int, limit_mb: float) -> int:
        fitting = (batch for batch in range(most, 1, -1) if all(need.total_mb(batch) <= limit_mb for need in needs))
        return next(fitting, 1)

    batch = asked or largest(_USUAL, _SHARE * available_mb)
    greatest = max(needs, key=lambda need: need.total_mb(batch))
    takes, have = _gib(greatest.total_mb(batch)), _gib(available_mb)
    if batch > 1 and greatest.total_mb(batch) > available_mb:  # one was computed
        raise UserError(
            f"--max-batch {batch}: needs about {takes} with {greatest.artifact}, {have} are available; up to "
            f"{largest(batch, available_mb)} fit"
        )
    many = "one clip" if batch == 1 else f"up to {batch} clips"
    reason = f"{many} at a time: {greatest.artifact} takes about {takes} for that, and {have} are available"
    if asked:
        return asked, reason
    fits = greatest.total_mb(batch) <= _SHARE * available_mb
    return batch, f"{reason}; " + ("at most half of it is taken" if fits else "close other programs to have more")


def _measure(bundle: Bundle, name: str, available_mb: float, asked: int | None) -> MemoryNeed:
    with step(f"measuring the memory of {name}"), contenders(bundle, [name]) as (contender,):
        load_mb, one_mb = contender.peak_mb(), _peak_mb(contender, 1)
        # Two take at most twice as much as one. Where that may not be there, they are tried only for who asks for them.
        are_tried = asked > 1 if asked else 2 * one_mb <= available_mb
        two_mb = _peak_mb(contender, 2) if are_tried else 2 * one_mb
    return MemoryNeed(name, load_mb, one_mb, max(0.0, two_mb - one_mb))


def _peak_mb(contender: Contender, batch: int) -> float:
    for _ in range(2):  # ONNX Runtime plans its memory in the first run, and takes it in the second
        contender.run(batch)
    return contender.peak_mb()


def _gib(megabytes: float) -> str:
    return f"{megabytes * 1e6 / 2**30:.1f} GiB"
