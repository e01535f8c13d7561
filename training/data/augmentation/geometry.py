"""Stage 3, the one spatial transform of a clip. Source: docs/method.md, "Geometry"."""

import math
from dataclasses import dataclass, replace

import numpy as np

from rgbd.clip.spec import ClipSpec, Geometry


@dataclass(frozen=True)
class RandomCrop:
    """The crop lies anywhere in the resized frame."""

    name = "crop"
    is_active = True

    def move(self, geometry: Geometry, spec: ClipSpec, rng: np.random.Generator) -> Geometry:
        """Return the geometry with a crop drawn uniformly."""
        width, height = spec.resize
        x, y = int(rng.integers(width - spec.crop[0] + 1)), int(rng.integers(height - spec.crop[1] + 1))
        return replace(geometry, crop_xy=(x, y))


@dataclass(frozen=True)
class Rotation:
    """A turn by whole degrees in [low, high], of the share `probability` of the clips."""

    probability: float
    angle_deg: tuple[int, int]
    name = "rotation"

    @property
    def is_active(self) -> bool:
        """Whether any clip is turned."""
        return self.probability > 0

    def move(self, geometry: Geometry, spec: ClipSpec, rng: np.random.Generator) -> Geometry:  # noqa: ARG002
        """Return the geometry turned, or as it is."""
        if rng.random() >= self.probability:
            return geometry
        return replace(geometry, angle_deg=float(rng.integers(self.angle_deg[0], self.angle_deg[1] + 1)))


@dataclass(frozen=True)
class Flip:
    """Left and right exchanged, in the share `probability` of the clips."""

    probability: float
    name = "flip"

    @property
    def is_active(self) -> bool:
        """Whether any clip is mirrored."""
        return self.probability > 0

    def move(self, geometry: Geometry, spec: ClipSpec, rng: np.random.Generator) -> Geometry:  # noqa: ARG002
        """Return the geometry mirrored, or as it is."""
        return replace(geometry, flip=not geometry.flip) if rng.random() < self.probability else geometry


@dataclass(frozen=True)
class Zoom:
    """All is larger by a factor, or smaller, around the middle of the crop."""

    factor: tuple[float, float]
    name = "zoom"

    @property
    def is_active(self) -> bool:
        """Whether any clip changes its size."""
        return self.factor != (1, 1)

    def move(self, geometry: Geometry, spec: ClipSpec, rng: np.random.Generator) -> Geometry:  # noqa: ARG002
        """Return the geometry with a factor drawn from the range, so that twice is as likely as half."""
        return replace(geometry, zoom=math.exp(rng.uniform(*np.log(self.factor))))
