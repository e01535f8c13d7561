"""Forty motions, of which 36 can only be told apart by colour, by depth, and by the order of frames together.

Each of these is a path that an arm takes from rest to rest, through poses that are the same for every motion of its
kind. Three things tell the motions of a kind apart, in all combinations:

- depth alone: whether the arm is before the body or behind it. Colour shows it before the body in either case, to the
  last bit.
- colour alone: which of two colours the hand that moves has. Depth is the same to the last bit.
- the order of frames alone: the path is gone through forwards or backwards, once or several times, quickly and then
  slowly or the other way round. A recording's frames show the same poses, each as often, in another order. Several
  times: the steps of a performance have no divisor in common with the number of times, so that the same positions come
  in another order, as the hours do on a clock whose hand advances by five. Bodies move with the arm and not with time,
  so that no pose says when it comes.

The next two swing both gloved hands, one in front and one behind: depth shows on which side the one in front is, colour
on which side which glove is, and only both of them which glove is in front. The last two are ordinary ones.

So who has depth alone names one of each two colours, and one of the two pairings: (18 + 1 + 2) / 40 = 52.5 %; who has
colour alone, one of each two depths: 52.5 %; who sees frames in any order, 12 of the 24 motions that come in twos, 4 of
the 12 that come in threes, and the other four: 50 %. `ceiling` counts that.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Literal

import numpy as np

from preprocess.synthetic import motions
from preprocess.synthetic.body import LEFT, RIGHT, Arm, Pose
from preprocess.synthetic.ceilings import Traits
from preprocess.synthetic.motions import Motion, Prop, Take, draw_rest
from preprocess.synthetic.performers import Color

_COLORS: Mapping[str, Color] = {
    "orange": (242, 128, 24),
    "blue": (36, 88, 214),
    "red": (205, 32, 36),
    "green": (34, 150, 62),
}
_WHERE = ("in front", "behind")
_QUICK_SHARE = 0.25  # of a performance: the way there takes a third as long as the way back
# A performance is as long as 0.7 to 1 of the recording. So once takes that, a time of twice 0.35 to 0.5, and one of
# three 0.23 to 0.33: tempo never makes one of them another.
_MIN_STEPS_SHARE = 0.7
_MAX_REPEATS = 3
_ON_CIRCLE = (0.2, 0.8)  # the arm comes there before and leaves after


@dataclass(frozen=True)
class _Draws:
    """What varies from recording to recording; all motions draw the same numbers in the same order.

    Of `num_frames`, the performance begins after `start` and takes `steps` from one frame to the next. `side` is the
    arm that moves; `turn_deg` and `lean_deg` are how far the body follows it.
    """

    num_frames: int
    start: int
    steps: int
    rest: Pose
    side: int
    swung: Arm
    raised: Arm
    circled: Arm
    radius_deg: float
    turn_deg: float
    lean_deg: float


_Path = Callable[[_Draws, float], Pose]
"""The pose at a position, 0 to 1, at both of which the arm rests."""

_Timing = Callable[[float], float]
"""The position at a share, 0 to 1, of the performance."""


def _swing(draws: _Draws, position: float) -> Pose:
    return _move(draws, (draws.side,), draws.swung, _there_and_back(position))


def _swing_both(draws: _Draws, position: float) -> Pose:
    return _move(draws, (LEFT, RIGHT), draws.swung, _there_and_back(position))


def _raise_then_swing(draws: _Draws, position: float) -> Pose:
    goal = draws.raised if position < 0.5 else draws.swung
    return _move(draws, (draws.side,), goal, _there_and_back(2 * position))


def _circle(draws: _Draws, position: float) -> Pose:
    """Lift the arm, let the hand go round once, inwards from the bottom and so outwards over the top, and lower it."""
    first, last = _ON_CIRCLE
    angle = 2 * math.pi * min(max((position - first) / (last - first), 0), 1)
    azimuth, elevation = draws.radius_deg * math.sin(angle), -draws.radius_deg * math.cos(angle)
    goal = Arm(*((part[0] + azimuth, part[1] + elevation) for part in (draws.circled.upper, draws.circled.lower)))
    lifted = min(1, position / first, (1 - position) / (1 - last))
    return _move(draws, (draws.side,), goal, _there_and_back(lifted / 2))


def _move(draws: _Draws, sides: tuple[int, ...], goal: Arm, share: float) -> Pose:
    """Return the pose whose arms are `share` of the way to the goal, with the body that far after them."""
    rest = draws.rest
    yaw_deg, lean_deg = rest.yaw_deg + share * draws.turn_deg, rest.lean_deg + share * draws.lean_deg
    pose = replace(rest, yaw_deg=yaw_deg, lean_deg=lean_deg)
    for side in sides:
        pose = pose.with_arm(side, rest.arms[side].towards(goal, share))
    return pose


def _there_and_back(position: float) -> float:
    return math.sin(math.pi * position) ** 2


def _forwards(share: float) -> float:
    return share


def _backwards(share: float) -> float:
    return 1 - share


def _repeated(times: int, share: float) -> float:
    return times * share % 1


def _quick_then_slow(share: float) -> float:
    return float(np.interp(share, (0, _QUICK_SHARE, 1), (0, 0.5, 1)))


def _slow_then_quick(share: float) -> float:
    return 1 - _quick_then_slow(1 - share)


@dataclass(frozen=True)
class _Kind:
    """A path, what is held or worn, in which two colours, and the timings, by the names of the motions they make."""

    path: _Path
    prop: Literal["glove", "ball"]
    colors: tuple[str, str]
    timings: Mapping[str, _Timing]


_KINDS = (
    _Kind(
        _circle,
        "glove",
        ("orange", "blue"),
        {
            "circle the {color} glove {where}, outwards over the top": _forwards,
            "circle the {color} glove {where}, inwards over the top": _backwards,
        },
    ),
    _Kind(
        _raise_then_swing,
        "ball",
        ("red", "green"),
        {
            "raise the {color} ball, then swing it, all {where}": _forwards,
            "swing the {color} ball, then raise it, all {where}": _backwards,
        },
    ),
    _Kind(
        _swing,
        "glove",
        ("orange", "blue"),
        {
            "swing the {color} glove {where} once": partial(_repeated, 1),
            "swing the {color} glove {where} twice": partial(_repeated, 2),
            "swing the {color} glove {where} three times": partial(_repeated, _MAX_REPEATS),
        },
    ),
    _Kind(
        _swing,
        "ball",
        ("red", "green"),
        {
            "swing the {color} ball {where} quickly, and slowly back": _quick_then_slow,
            "swing the {color} ball {where} slowly, and quickly back": _slow_then_quick,
        },
    ),
)
_PAIR = _Kind(_swing_both, "glove", ("orange", "blue"), {"swing both gloves, the {color} one in front": _forwards})
_ORDINARY = motions.CLASS_NAMES[-2:]  # squat, shake hands


@dataclass(frozen=True)
class _HardMotion:
    """A motion of a kind; `color` is that of the hand that moves, or that moves before the body."""

    kind: _Kind
    where: str
    color: str
    template: str

    @property
    def name(self) -> str:
        """The name of the class."""
        return self.template.format(color=self.color, where=self.where)

    @property
    def traits(self) -> Traits:
        """What tells it from the others."""
        shape = f"{self.kind.path.__name__} {self.kind.prop}"
        if self.kind is _PAIR:
            return Traits(shape, pairing=self.color)
        return Traits(shape, depth=self.where, color=self.color, timing=self.template)

    def perform(self, draws: _Draws) -> Motion:
        """Return a performance."""
        path, timing = self.kind.path, self.kind.timings[self.template]
        props = [Prop(self.kind.prop, draws.side, _COLORS[self.color])]
        if self.kind.prop == "glove":  # both hands wear one: which of them moves is what colour tells
            (other_color,) = set(self.kind.colors) - {self.color}
            props.append(Prop("glove", _other(draws.side), _COLORS[other_color]))
        return Motion(partial(_poses_at, draws, path, timing), props=tuple(props), arms_behind=self._behind(draws.side))

    def _behind(self, side: int) -> tuple[int, ...]:
        if self.kind is _PAIR:
            return (_other(side),)
        return (side,) if self.where == "behind" else ()


def _other(side: int) -> int:
    return LEFT if side == RIGHT else RIGHT


def _poses_at(draws: _Draws, path: _Path, timing: _Timing, time: float) -> tuple[Pose, ...]:
    step = time * (draws.num_frames - 1) - draws.start
    return (path(draws, timing(min(max(step / draws.steps, 0), 1))),)


def _all_of(kind: _Kind, places: tuple[str, ...]) -> Iterator[_HardMotion]:
    for where, color, template in product(places, kind.colors, kind.timings):
        yield _HardMotion(kind, where, color, template)


_HARD = tuple(motion for kind in _KINDS for motion in _all_of(kind, _WHERE)) + tuple(_all_of(_PAIR, _WHERE[:1]))

TRAITS: Mapping[str, Traits] = {motion.name: motion.traits for motion in _HARD} | {
    name: motions.TRAITS[name] for name in _ORDINARY
}


def draw_motion(action: int, take: Take, rng: np.random.Generator) -> Motion:
    """Return a performance of `action` (1 to 40), with amplitude, side, place, tempo and start drawn from `rng`."""
    if action <= len(_HARD):
        return _HARD[action - 1].perform(_draw(take, rng))
    ordinary = _ORDINARY[action - 1 - len(_HARD)]
    return motions.draw_motion(motions.CLASS_NAMES.index(ordinary) + 1, take, rng)


def _draw(take: Take, rng: np.random.Generator) -> _Draws:
    steps = _draw_steps(take.num_frames - 1, rng)
    return _Draws(
        num_frames=take.num_frames,
        start=int(rng.integers(take.num_frames - steps)),
        steps=steps,
        rest=draw_rest(take.distance_m, rng),
        side=int(rng.integers(2)),
        swung=_draw_arm((48, 60), (-26, -8), rng),
        raised=_draw_arm((5, 20), (40, 60), rng),
        circled=_draw_arm((54, 62), (-10, 2), rng),
        radius_deg=float(rng.uniform(20, 26)),
        turn_deg=float(rng.uniform(-5, 5)),
        lean_deg=float(rng.uniform(0, 3)),
    )


def _draw_steps(most: int, rng: np.random.Generator) -> int:
    """Return how many steps a performance takes, without a divisor in common with any number of repeats."""
    repeats = math.factorial(_MAX_REPEATS)
    possible = [steps for steps in range(math.ceil(_MIN_STEPS_SHARE * most), most + 1) if math.gcd(steps, repeats) == 1]
    return possible[int(rng.integers(len(possible)))]


def _draw_arm(azimuths: tuple[float, float], elevations: tuple[float, float], rng: np.random.Generator) -> Arm:
    azimuth, elevation = float(rng.uniform(*azimuths)), float(rng.uniform(*elevations))
    return Arm((azimuth, elevation), (azimuth + float(rng.uniform(0, 6)), elevation + float(rng.uniform(0, 10))))
