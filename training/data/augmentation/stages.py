"""The four stages of a training clip, and what an augmentation of each stage is asked."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rgbd.clip.sampling import bin_centres
from rgbd.clip.spec import ClipSpec, Geometry, centred_geometry
from rgbd.types import Frame, Stream

Key = tuple[int, ...]
"""Where a training run stands: what is drawn there follows from it, whichever process draws."""


class Augmentation(Protocol):
    """One kind of random change."""

    @property
    def name(self) -> str:
        """What its random numbers are drawn by; unique, and never changed."""

    @property
    def is_active(self) -> bool:
        """Whether the configuration asks for it."""


class FrameAugmentation(Augmentation, Protocol):
    """Stage 1: which frames of a recording are read."""

    def choose(self, frames: NDArray[np.int64], num_frames: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return other indices of frames for these of a recording of `num_frames`; as many as before."""


class RawAugmentation(Augmentation, Protocol):
    """Stage 2: the frames of one stream as they were read, uint8 RGB [H, W, 3] or uint16 millimetres [H, W]."""

    @property
    def stream(self) -> Stream:
        """The stream that it changes."""

    def change(self, frames: Sequence[Frame], rng: np.random.Generator) -> Sequence[Frame]:
        """Return the frames of a clip changed, or as they are; the given ones are never written to.

        A recording that is shorter than its clip has the same frame several times, which stays the same.
        """


class GeometryAugmentation(Augmentation, Protocol):
    """Stage 3: the one spatial transform of a clip, for all its frames and both its streams."""

    def move(self, geometry: Geometry, spec: ClipSpec, rng: np.random.Generator) -> Geometry:
        """Return the geometry with a part of it drawn anew."""


class Mixed(NamedTuple):
    """Clips as they came but mixed, whom each was mixed with (int64 [B]), and the share of the first of both."""

    clips: tuple[Tensor, ...]
    partners: Tensor
    share: float


class BatchAugmentation(Augmentation, Protocol):
    """Stage 4: a batch of finished clips, uint8 [B, T, H, W, 3] per stream, where the network is."""

    @property
    def weight(self) -> float:
        """How often it is drawn where there are others, relative to them."""

    def mix(self, clips: tuple[Tensor, ...], rng: np.random.Generator) -> Mixed:
        """Return the clips mixed with each other, both streams of a clip in the same way."""


@dataclass(frozen=True)
class Stages:
    """The active augmentations of a run."""

    frames: tuple[FrameAugmentation, ...]
    raw: tuple[RawAugmentation, ...]
    geometry: tuple[GeometryAugmentation, ...]
    batch: tuple[BatchAugmentation, ...]


def choose_frames(active: Sequence[FrameAugmentation], num_frames: int, num_bins: int, key: Key) -> NDArray[np.int64]:
    """Return int64 [num_bins] indices of frames: those of evaluation, but for what the augmentations change."""
    frames = bin_centres(num_frames, num_bins)
    for each in active:
        frames = each.choose(frames, num_frames, _generator(key, each))
    return frames


def change_frames(
    active: Sequence[RawAugmentation], frames: Sequence[Frame], stream: Stream, key: Key
) -> Sequence[Frame]:
    """Return the frames of a stream as they were read, but for what the augmentations change."""
    for each in active:
        if each.stream == stream:
            frames = each.change(frames, _generator(key, each))
    return frames


def draw_geometry(active: Sequence[GeometryAugmentation], spec: ClipSpec, key: Key) -> Geometry:
    """Return evaluation's geometry, but for what the augmentations change."""
    geometry = centred_geometry(spec)
    for each in active:
        geometry = each.move(geometry, spec, _generator(key, each))
    return geometry


def mix(active: Sequence[BatchAugmentation], clips: tuple[Tensor, ...], key: Key) -> Mixed | None:
    """Return a batch of clips mixed with itself, None where nothing is active; of several, one is drawn."""
    if not active:
        return None
    rngs = {each.name: _generator(key, each) for each in active}
    # The largest of such powers is each one's as often as its weight says (Efraimidis and Spirakis, 2006).
    lots = {each.name: float(rngs[each.name].random()) ** (1 / each.weight) for each in active}
    chosen = max(active, key=lambda each: lots[each.name])  # each draws its own lot, so that their order has no effect
    return chosen.mix(clips, rngs[chosen.name])


def each_once(frames: Sequence[Frame], change: Callable[[Frame], Frame]) -> list[Frame]:
    """Return all frames changed, in order; one that is there several times is changed once."""
    changed: dict[int, Frame] = {}
    for frame in frames:
        if id(frame) not in changed:
            changed[id(frame)] = change(frame)
    return [changed[id(frame)] for frame in frames]


def _generator(key: Key, augmentation: Augmentation) -> np.random.Generator:
    """Return the augmentation's own random numbers: switching another one on or off leaves them as they are."""
    return np.random.default_rng([*key, zlib.crc32(augmentation.name.encode())])
