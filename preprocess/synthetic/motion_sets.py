"""The sets of motions that can be rendered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from preprocess.synthetic import hard_motions, motions
from preprocess.synthetic.ceilings import Traits
from preprocess.synthetic.motions import Motion, Take


@dataclass(frozen=True)
class MotionSet:
    """What its motions are called, in the order of their actions, with what tells them apart, and how one is drawn.

    `draw` takes the action, from 1.
    """

    traits: Mapping[str, Traits]
    draw: Callable[[int, Take, np.random.Generator], Motion]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names alone."""
        return tuple(self.traits)


STANDARD = MotionSet(motions.TRAITS, motions.draw_motion)
HARD = MotionSet(hard_motions.TRAITS, hard_motions.draw_motion)
MOTION_SETS: Mapping[str, MotionSet] = {"standard": STANDARD, "hard": HARD}
