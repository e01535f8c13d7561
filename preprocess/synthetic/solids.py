"""Joints -> the volumes that a person, clothes and held things are made of."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.body import ARMS, HEAD, LEGS, NECK, SPINE_BASE, SPINE_SHOULDER
from preprocess.synthetic.cameras import Floats
from preprocess.synthetic.motions import Prop
from preprocess.synthetic.performers import Paint, Performer, plain

_POLE, _EYES, _LIPS = (150, 118, 82), (34, 28, 28), (150, 84, 78)
_FLAG_WIDTH_M, _FLAG_HEIGHT_M = 0.46, 0.36
_POLE_ABOVE_M, _POLE_BELOW_M = 0.22, 0.24
_GLOVE_RADIUS_M = 0.135
_BALL_RADIUS_M = 0.12


@dataclass(frozen=True)
class Ball:
    """A sphere; `along_m` is where its paint's pattern starts."""

    centre: Floats
    radius: float
    paint: Paint
    along_m: float = 0.0


@dataclass(frozen=True)
class Cone:
    """The side of the volume that a sphere fills as it moves in a line and changes its radius."""

    start: Floats
    end: Floats
    radii: tuple[float, float]
    paint: Paint
    along_m: float = 0.0


@dataclass(frozen=True)
class Sheet:
    """A flat parallelogram."""

    corner: Floats
    sides: tuple[Floats, Floats]
    paint: Paint


Solid = Ball | Cone | Sheet


@dataclass
class _Shape:
    """Collects the solids of one person."""

    solids: list[Solid] = field(default_factory=list)

    def chain(self, points: Floats, radii: NDArray[np.floating], paint: Paint) -> None:
        """Add balls at all points and cones between neighbours: a smooth limb."""
        lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
        along = np.concatenate([[0.0], np.cumsum(lengths)]).tolist()
        for point, radius, start_m in zip(points, radii.tolist(), along, strict=True):
            self.solids.append(Ball(point, radius, paint, start_m))
        for index in range(len(points) - 1):
            ends = (float(radii[index]), float(radii[index + 1]))
            self.solids.append(Cone(points[index], points[index + 1], ends, paint, along[index]))


def body_solids(joints: Floats, performer: Performer, thickness: float) -> list[Solid]:
    """Return one person's volumes around camera-frame joints [25, 3]; `thickness` varies the limbs of one recording."""
    shape = _Shape()
    size = performer.height_m / 1.75
    girth = size * performer.build
    _add_torso(shape, joints, performer, girth)
    _add_head(shape, joints, performer, size)
    for side in ARMS:
        _add_arm(shape, joints[list(side)], performer, girth * thickness)
    for leg in LEGS:
        hip, knee, ankle, foot = joints[list(leg)]
        radii = girth * np.array((0.094, 0.062, 0.046))
        shape.chain(np.stack([hip, knee, ankle]), radii, plain(performer.trousers))
        sole = (foot - ankle) * np.float32(1.35) + ankle
        heel = ankle + (ankle - foot) * np.float32(0.15) * (1, 0, 1) + (0, -0.012 * size, 0)
        shape.chain(np.stack([heel, sole]).astype(np.float32), size * np.array((0.05, 0.038)), plain(performer.shoes))
    return shape.solids


def _add_torso(shape: _Shape, joints: Floats, performer: Performer, girth: float) -> None:
    """Add two upright columns side by side, wider than deep as a chest is, and the shoulders."""
    base, chest = joints[SPINE_BASE], joints[SPINE_SHOULDER]
    left, right = joints[ARMS[0][0]], joints[ARMS[1][0]]
    across = (left - right) / np.linalg.norm(left - right)
    radii = girth * np.array((0.098, 0.102, 0.114, 0.074))
    for sign in (-1, 1):
        widths = girth * np.array((0.066, 0.058, 0.075, 0.07)) * sign
        spine = np.stack([base + share * (chest - base) for share in (0.0, 0.38, 0.76, 0.93)])
        shape.chain((spine + widths[:, None] * across).astype(np.float32), radii, performer.shirt)
    hem = np.stack([base - 0.066 * girth * across, base + 0.066 * girth * across])
    shape.chain(hem.astype(np.float32), girth * np.array((0.1, 0.1)), plain(performer.shirt.second))
    line = np.stack([left, chest - 0.1 * (chest - base), right])
    shape.chain(line.astype(np.float32), girth * np.array((0.062, 0.074, 0.062)), plain(performer.shirt.second))
    hips = np.stack([joints[LEGS[0][0]], joints[LEGS[1][0]]])
    shape.chain(hips, girth * np.array((0.098, 0.098)), plain(performer.trousers))


def _add_head(shape: _Shape, joints: Floats, performer: Performer, size: float) -> None:
    head, neck = joints[HEAD], joints[NECK]
    up = (head - neck) / np.linalg.norm(head - neck)
    across = joints[ARMS[0][0]] - joints[ARMS[1][0]]
    across = across / np.linalg.norm(across)
    forward = np.cross(up, across)
    forward = forward if forward @ head < 0 else -forward

    def place(sideways: float, upwards: float, onwards: float) -> Floats:
        return np.asarray(head + size * (sideways * across + upwards * up + onwards * forward), np.float32)

    skin, hair = plain(performer.skin), plain(performer.hair)
    shape.chain(np.stack([joints[SPINE_SHOULDER], head]), size * np.array((0.062, 0.055)), skin)
    shape.chain(np.stack([place(0, -0.05, 0.018), place(0, 0.03, 0)]), size * np.array((0.068, 0.09)), skin)
    shape.chain(np.stack([place(0, -0.02, -0.034), place(0, 0.042, -0.016)]), size * np.array((0.076, 0.094)), hair)
    shape.chain(np.stack([place(0, -0.005, 0.088), place(0, -0.028, 0.096)]), size * np.array((0.009, 0.014)), skin)
    mouth = np.stack([place(-0.02, -0.06, 0.079), place(0, -0.062, 0.083), place(0.02, -0.06, 0.079)])
    shape.chain(mouth, size * np.array((0.006, 0.0075, 0.006)), plain(_LIPS))
    for sign in (-1, 1):
        shape.solids.append(Ball(place(sign * 0.09, -0.012, -0.002), 0.02 * size, skin))
        shape.solids.append(Ball(place(sign * 0.034, 0.012, 0.078), 0.011 * size, plain(_EYES)))


def _add_arm(shape: _Shape, arm: Floats, performer: Performer, girth: float) -> None:
    """Add sleeve, lower arm and hand.

    Thickness grows with the distance from the lens, by a fifth at most, so that it looks the same at any depth: arms
    that point to the camera and away from it must differ in depth, not in the picture.
    """
    look = arm[:, 2] / arm[0, 2] * girth
    shoulder, elbow, wrist, hand, tip, thumb = arm
    sleeve = shoulder + np.float32(0.9) * (elbow - shoulder)
    skin = plain(performer.skin)
    shape.chain(np.stack([shoulder, sleeve]), look[[0, 1]] * np.array((0.062, 0.055)), performer.shirt)
    shape.chain(np.stack([sleeve, elbow, wrist]), look[[1, 1, 2]] * np.array((0.046, 0.044, 0.032)), skin)
    shape.chain(np.stack([wrist, hand, tip]), look[[2, 3, 4]] * np.array((0.03, 0.042, 0.024)), skin)
    shape.chain(np.stack([wrist, thumb]), look[[2, 5]] * np.array((0.024, 0.017)), skin)


def glove(joints: Floats, prop: Prop) -> list[Solid]:
    """Return a big mitten over one hand of camera-frame joints [25, 3]."""
    _, _, wrist, hand, tip, thumb = joints[list(ARMS[prop.side])]
    shape = _Shape()
    radii = _GLOVE_RADIUS_M * np.array((0.62, 0.95, 0.85))
    shape.chain(np.stack([wrist, hand, tip]), radii, plain(prop.color))
    shape.solids.append(Ball(thumb + (thumb - hand), 0.5 * _GLOVE_RADIUS_M, plain(prop.color)))
    return shape.solids


def ball(joints: Floats, prop: Prop) -> list[Solid]:
    """Return a ball in one hand of camera-frame joints [25, 3], at the tips of its fingers."""
    _, _, _, hand, tip, _ = joints[list(ARMS[prop.side])]
    along = (tip - hand) / np.linalg.norm(tip - hand)
    centre = np.asarray(tip + 0.7 * _BALL_RADIUS_M * along, np.float32)
    return [Ball(centre, _BALL_RADIUS_M, plain(prop.color))]


def flag(joints: Floats, prop: Prop, up: Floats, flutter: float) -> list[Solid]:
    """Return a flag on a pole in one hand of camera-frame joints [25, 3].

    `up` is the room's upright direction in that frame; `flutter` (-1 to 1) turns the cloth a little.
    """
    hand = joints[ARMS[prop.side][3]]
    sign = 1 if prop.side == 0 else -1
    top, bottom = hand + np.float32(_POLE_ABOVE_M) * up, hand - np.float32(_POLE_BELOW_M) * up
    shape = _Shape()
    shape.chain(np.stack([bottom, top]), np.array((0.013, 0.013)), plain(_POLE))
    across = np.array((sign * _FLAG_WIDTH_M, 0.03 * flutter, 0.12 * flutter), np.float32)
    cloth = Paint(prop.color, prop.color, "folds")
    shape.solids.append(Sheet(top, (across, np.float32(-_FLAG_HEIGHT_M) * up), cloth))
    return shape.solids
