"""Random geometry of a training clip: one draw, used for all its frames and for both streams."""

import numpy as np

from rgbd.clip.spec import ClipSpec, Geometry
from training.config.schema import AugmentConfig


def draw_geometry(spec: ClipSpec, config: AugmentConfig, rng: np.random.Generator) -> Geometry:
    """Return a random crop, rotation (whole degrees) and flip. Source: REFERENCE.md section 1."""
    width, height = spec.resize
    rotated = rng.random() < config.rotated
    return Geometry(
        crop_xy=(int(rng.integers(width - spec.crop[0] + 1)), int(rng.integers(height - spec.crop[1] + 1))),
        angle_deg=float(rng.integers(config.angle_deg[0], config.angle_deg[1] + 1)) if rotated else 0.0,
        flip=bool(rng.random() < config.flip),
    )
