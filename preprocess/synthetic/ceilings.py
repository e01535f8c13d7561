"""What tells motions apart, and how many of them somebody can name who does not see all of it."""

from collections.abc import Collection, Mapping
from dataclasses import astuple, dataclass, fields, replace
from typing import Literal

Trait = Literal["depth", "color", "pairing", "timing"]


@dataclass(frozen=True)
class Traits:
    """What tells a motion from the others of its set; what is empty tells nothing.

    `shape` is what either stream shows in single frames, `depth` what depth alone shows, `color` what colour alone
    shows, `pairing` what only both of them together show, and `timing` what the order of frames alone shows.
    """

    shape: str
    depth: str = ""
    color: str = ""
    pairing: str = ""
    timing: str = ""


# Late fusion has both streams' answers, and so nothing that neither of them sees.
BLIND_TO: Mapping[str, tuple[Trait, ...]] = {
    "rgb": ("depth", "pairing"),
    "depth": ("color", "pairing"),
    "late fusion": ("pairing",),
    "frames in any order": ("timing",),
}
"""What is hidden from a network that has one stream, both streams' answers, or no order of frames."""


def ceiling(motions: Collection[Traits], blind_to: Collection[Trait]) -> float:
    """Return the highest accuracy, 0 to 1, over as many clips of each motion, of who cannot see some traits.

    Motions that differ in those traits only look the same to them: of such a group one can be named rightly at best,
    and every group adds one motion to the right answers.
    """
    hidden = {field.name: "" for field in fields(Traits) if field.name in blind_to}
    return len({astuple(replace(motion, **hidden)) for motion in motions}) / len(motions)
