"""Which artifact of a bundle runs here, and how it is loaded."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from export.bundle.folder import Bundle, named
from export.bundle.manifest import Artifact, ForRuntime
from export.bundle.seeded_clips import seeded_inputs
from export.runtimes import Runtime
from export.runtimes.devices import SeveralDevices, kind_of
from export.runtimes.live import LiveRuntime, load_live_artifact
from export.runtimes.registry import spec_of, unknown_reason
from rgbd.errors import UserError

# Mean difference of logits from PyTorch's in standard deviations: of garbage it is 1 and more, of int8 a tenth.
MAX_RELATIVE_DIFFERENCE = 0.5

_Artifact = TypeVar("_Artifact", bound=ForRuntime)
_Runtime = TypeVar("_Runtime", bound=Runtime)
_Load = Callable[[Bundle, _Artifact, str], _Runtime]

_logger = logging.getLogger(__name__)


def load_runtime(bundle: Bundle, device: str = "cpu", name: str | None = None, max_batch: int = 1) -> Runtime:
    """Return an artifact of the bundle, ready to run on a device, one of `registry.devices()`, or on several.

    It is the one of this name, or else the fastest, as it was measured on such a device, of those that this machine can
    run. It has answered the bundle's seeded clip as PyTorch did, alone and `max_batch` times in a batch: some
    processors and drivers return garbage for some layers, and what memory does not hold should fail now. Raises
    `UserError` when nothing is left, or not the one that is named.
    """
    first, *others = device.split(",")
    place, artifacts = _Place(bundle, first, max_batch), bundle.manifest.artifacts
    runtime = place.fastest(artifacts, load_artifact) if name is None else place.named(name, artifacts, load_artifact)
    if not others:
        return runtime
    same = f"{runtime.info.name}-{runtime.info.precision}"
    return SeveralDevices([runtime, *(load_runtime(bundle, other, same, max_batch) for other in others)])


def load_live(bundle: Bundle, device: str = "cpu", name: str | None = None, max_batch: int = 1) -> LiveRuntime:
    """Return the graphs for streams without end, chosen and tried as `load_runtime` does; raises `UserError`."""
    if bundle.manifest.live is None:
        raise UserError(
            f"{bundle.folder}: has no graphs for streams without end; leave `live` out, and windows are computed anew, "
            "or export it with --live, where its family has such graphs"
        )
    place = _Place(bundle, device, max_batch)
    artifacts, load = bundle.manifest.live.artifacts, load_live_artifact
    return place.fastest(artifacts, load) if name is None else place.named(name, artifacts, load)


@dataclass(frozen=True)
class _Place:
    """Where a bundle is to run."""

    bundle: Bundle
    device: str
    max_batch: int

    def named(self, name: str, artifacts: Sequence[_Artifact], load: _Load[_Artifact, _Runtime]) -> _Runtime:
        artifact = named(self.bundle, artifacts, name)
        if reason := unavailable_reason(artifact, self.device):
            raise UserError(f"{self.bundle.folder}: {name} cannot run here: {reason}")
        runtime = load(self.bundle, artifact, self.device)
        if reason := warm_up(self.bundle, runtime, self.max_batch):
            raise UserError(f"{self.bundle.folder}: {name} cannot be trusted here: {reason}; choose another artifact")
        return runtime

    def fastest(self, artifacts: Sequence[_Artifact], load: _Load[_Artifact, _Runtime]) -> _Runtime:
        """Return the first that answers rightly, by the speed of the artifact of the same name for clips."""
        bundle, device = self.bundle, self.device
        reasons = {artifact.name: unavailable_reason(artifact, device) for artifact in artifacts}
        usable = [artifact for artifact in artifacts if not reasons[artifact.name]]
        speeds = {artifact.name: latency_ms(artifact, device) for artifact in bundle.manifest.artifacts}
        for artifact in sorted(usable, key=lambda artifact: speeds.get(artifact.name, math.inf)):
            try:
                return self._load_warm(artifact, load)
            except UserError as error:
                reasons[artifact.name] = str(error)
            _logger.warning("%s: %s is left out: %s", bundle.folder, artifact.name, reasons[artifact.name])
        listed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise UserError(f"{bundle.folder}: nothing in it runs on {device!r} here ({listed})")

    def _load_warm(self, artifact: _Artifact, load: _Load[_Artifact, _Runtime]) -> _Runtime:
        """Return an artifact that was tried; by itself, so that one which fails is not in memory beside the next."""
        runtime = load(self.bundle, artifact, self.device)
        if reason := warm_up(self.bundle, runtime, self.max_batch):
            raise UserError(reason)
        return runtime


def home_of(artifact: ForRuntime) -> str:
    """Return the device that the artifact is made for."""
    return spec_of(artifact).home


def unavailable_reason(artifact: ForRuntime, device: str | None = None) -> str | None:
    """Return why this machine cannot run the artifact on the device, by default its own; None if nothing is known."""
    if reason := unknown_reason(artifact):
        return reason
    spec = spec_of(artifact)
    return spec.unavailable_reason(artifact.precision, device or spec.home)


def load_artifact(bundle: Bundle, artifact: Artifact, device: str) -> Runtime:
    """Load one artifact; raises `UserError` when its runtime refuses it, or it is not known."""
    return spec_of(artifact).load(bundle.path(artifact), artifact.precision, device, bundle.manifest.max_batch, None)


def warm_up(bundle: Bundle, runtime: Runtime, max_batch: int) -> str | None:
    """Run one clip, and a batch as large as may be, so that requests find all allocated.

    Returns what is wrong with the answers, or None.
    """
    return _trouble(bundle, runtime, 1) or (_trouble(bundle, runtime, max_batch) if max_batch > 1 else None)


def _trouble(bundle: Bundle, runtime: Runtime, batch: int) -> str | None:
    """Return what is wrong with the answer to a batch of the bundle's known clip, so many times; None if nothing is."""
    manifest = bundle.manifest
    expected = np.concatenate(list(manifest.check.values()))
    try:
        clip = seeded_inputs(manifest.streams, manifest.clip_spec, batch=1)
        outputs = runtime.infer({stream: np.repeat(values, batch, axis=0) for stream, values in clip.items()})
        actual = np.concatenate([outputs[head] for head in manifest.check], axis=1)
    except Exception as error:  # a runtime's errors have no common type; such as too little memory on the GPU
        if batch == 1:
            return f"it cannot run a known clip: {error}"
        return f"it cannot run {batch} known clips at a time, which a smaller max_batch would not ask for: {error}"
    if actual.shape != (batch, len(expected)):
        return f"it answers {batch} known clips with scores of shape {actual.shape}"
    # The smaller spread: one score that is far out, on either side, would make any difference look small.
    spread = max(min(float(expected.std()), float(actual.std(axis=1).min())), 1e-6)
    difference = float(np.abs(actual - expected).mean(axis=1).max()) / spread
    if difference <= MAX_RELATIVE_DIFFERENCE:
        return None
    return f"its scores of a known clip differ from PyTorch's by {difference:.2g} standard deviations"


def latency_ms(artifact: Artifact, device: str) -> float:
    """Return what the artifact was measured with on such a device; what never was comes last."""
    speed = artifact.speeds.get(kind_of(device))
    return speed.latency_ms if speed else float("inf")
