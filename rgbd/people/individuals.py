"""Masks that hold several people -> who is who, over time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbd.camera.intrinsics import DepthCamera
from rgbd.types import Depth, Mask

_MIN_PART_M2 = 0.03  # a smaller part of a mask belongs to who is next to it
_MIN_SHARE = 0.2  # of the largest person's surface, and of the frames: less is a part of somebody, or noise
_REACH_M = 0.7  # how far somebody comes between two frames that are looked at, and no nearer do two people stand
_STRIDE = 4  # pixels: where people are is told by every fourth of every fourth row

Place = NDArray[np.float32]
"""Metres in the depth camera's frame, float32 [3]."""


@dataclass(eq=False)
class Individual:
    """One person: in which frames they are seen, where, and how much of them, in square metres."""

    frames: list[int] = field(default_factory=list)
    places_m: list[Place] = field(default_factory=list)
    areas_m2: list[float] = field(default_factory=list)

    def at(self, frame_index: int) -> Place:
        """Return where they are in a frame, by the frames before and after in which they are seen."""
        places = np.stack(self.places_m)
        axes = [np.interp(frame_index, self.frames, places[:, axis]) for axis in range(3)]
        return np.array(axes, np.float32)

    def keep_last(self, num_frames: int) -> None:
        """Forget all but the last frames in which they are seen."""
        for values in (self.frames, self.places_m, self.areas_m2):
            del values[:-num_frames]

    @property
    def size(self) -> float:
        """How much is seen of them in all."""
        return sum(self.areas_m2)


@dataclass(frozen=True)
class _Part:
    """A connected part of a mask: its label, how much surface it shows, and where its middle is."""

    label: int
    area_m2: float
    place_m: Place


def find_individuals(frames: Iterable[tuple[int, Depth, Mask]], camera: DepthCamera) -> list[Individual]:
    """Return the people that masks show, the largest first; frames come in order, each with its number."""
    people: list[Individual] = []
    num_frames = 0
    for index, frame, mask in frames:
        num_frames += 1
        _, parts = _parts(frame, mask, camera)
        # Of somebody before whose hand alone the camera stands, no more is seen: then that is what counts.
        least_m2 = min(_MIN_PART_M2, _MIN_SHARE * max((part.area_m2 for part in parts), default=0.0))
        _follow(people, index, [part for part in parts if part.area_m2 >= least_m2])
    people.sort(key=lambda person: -person.size)
    others = (
        person
        for person in people[1:]
        if person.size >= _MIN_SHARE * people[0].size and len(person.frames) >= _MIN_SHARE * num_frames
    )
    return [*people[:1], *others]


def follow(
    people: list[Individual], frame_index: int, frame: Depth, mask: Mask, camera: DepthCamera, num_kept: int
) -> None:
    """Add what a later frame shows to the people, and who has come; who is not seen in `num_kept` frames is let go.

    Of each, only the last frames, as many, are kept.
    """
    _, parts = _parts(frame, mask, camera)
    _follow(people, frame_index, [part for part in parts if part.area_m2 >= _MIN_PART_M2])
    for person in people:
        person.keep_last(num_kept)
    people[:] = [person for person in people if person.frames[-1] > frame_index - num_kept]


def mask_of(
    person: int, people: Sequence[Individual], frame_index: int, frame: Depth, mask: Mask, camera: DepthCamera
) -> Mask:
    """Return which pixels of a mask are those of one of the people.

    A connected part is of those whom it is nearest to of all parts; of several, each pixel is of who is nearest to it.
    """
    labels, parts = _parts(frame, mask, camera)
    mine = np.zeros(mask.shape, np.bool_)
    if not parts:
        return mine
    places = np.stack([individual.at(frame_index) for individual in people])
    distances = _distances(np.stack([part.place_m for part in parts]), places)  # [parts, people]
    nearest, is_near = distances.argmin(axis=0), distances.min(axis=0) < _REACH_M
    for number, part in enumerate(parts):
        owners = np.flatnonzero((nearest == number) & is_near)
        owners = owners if len(owners) else distances[number].argmin(keepdims=True)
        if person not in owners:
            continue
        rows, columns = np.nonzero(labels == part.label)
        points = camera.tangents(frame.shape).points_at((rows, columns), frame[rows, columns] * np.float32(0.001))
        mine[rows, columns] = owners[_distances(points, places[owners]).argmin(axis=1)] == person
    return mine


def _parts(frame: Depth, mask: Mask, camera: DepthCamera) -> tuple[NDArray[np.int32], list[_Part]]:
    """Return the label of each pixel, int32 [H, W], 0 outside the mask, and the connected parts of the mask."""
    num, labels = cv2.connectedComponents(mask.astype(np.uint8))
    sparse = (slice(None, None, _STRIDE),) * 2
    found, z_m = labels[sparse], frame[sparse] * np.float32(0.001)
    points = camera.tangents(frame.shape, _STRIDE).points(z_m)
    pixel_m2 = _STRIDE**2 / abs(float(camera.slope.prod()))
    parts = []
    for label in range(1, num):
        inside = (found == label) & (z_m > 0)
        if inside.any():
            area_m2 = float((z_m[inside] ** 2).sum()) * pixel_m2
            parts.append(_Part(label, area_m2, np.median(points[inside], axis=0).astype(np.float32)))
    return np.asarray(labels, np.int32), parts


def _follow(people: list[Individual], frame_index: int, parts: Sequence[_Part]) -> None:
    """Add the parts of one frame to the people that they go on, the nearest first, or to new ones."""
    pairs = sorted(
        (float(np.linalg.norm((person.places_m[-1] - part.place_m)[[0, 2]])), number, which)
        for number, part in enumerate(parts)
        for which, person in enumerate(people)
    )
    taken: dict[int, int] = {}
    for distance_m, number, which in pairs:
        if number not in taken and which not in taken.values() and distance_m < _REACH_M:
            taken[number] = which
    for number, part in enumerate(parts):
        if number not in taken:
            people.append(Individual())
        person = people[taken.get(number, -1)]
        person.frames.append(frame_index)
        person.places_m.append(part.place_m)
        person.areas_m2.append(part.area_m2)


def _distances(points_m: NDArray[np.float32], places_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far points [N, 3] are from places [M, 3] across the floor: people are upright. Float32 [N, M]."""
    apart = (points_m[:, None] - places_m[None])[..., [0, 2]]
    return np.asarray(np.linalg.norm(apart, axis=-1), np.float32)
