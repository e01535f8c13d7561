"""Depth alone -> which pixels belong to people, whether they move or stand still.

A model of the scene is made of some frames: the floor, and behind everybody what is seen when nobody is there. For
each of those frames the regions in which distance changes gradually are people where they have a person's size and
move, or are shaped like somebody who stands on the floor and stir a little. Where no floor is in view, shape and size
count without it. Then every frame is compared with the model.
All limits are in metres or shares of the frame, so that any image size will do.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbd.camera.intrinsics import DepthCamera
from rgbd.people.room import Plane, fit_floor, fit_walls
from rgbd.recording.depth import DepthFrames
from rgbd.types import Depth, Mask, MaskOfFrame

Metres = NDArray[np.float32]
_Value = TypeVar("_Value", bound=np.generic)

_NUM_SAMPLES = 16  # frames that the model is made of
_WALL_SHARE = 0.6  # of the noise: what lies closer to a wall belongs to it, as a back that leans on it hardly does
_STEP_SHARE = 1 / 212  # of the frame's height: the model looks for people in every pixel so far apart
_FLOOR_M = 0.03  # what lies closer to the floor belongs to it; Kinect v2's noise is a third of that
_FAR_SHARE = 0.9  # a person covers a pixel of the background in nine tenths of the frames at most
_RING_SHARE = 0.01  # of the frame's height: as far beside a person, depth may still be the person's
_RING_DEPTH_M = 0.12  # as far behind a person's surface, depth may still be theirs
_MOTION_M2, _MOTION_SHARE = 0.008, 0.02  # what moves of somebody who moves at all: a hand, of a child a smaller one
_LIVELY_SHARE = 0.25  # of the frames: in more, somebody is seen to move
_SAME_PLACE_M = 0.4  # how far somebody's surface moves between frames in a pixel they keep covering
_MIN_PIECE_M2, _MAX_PIECE_M2 = 0.003, 0.12  # a piece of a person beside the rest: a foot, a forearm, a leg
_MAX_PERSON_M2 = 1.4  # of surface that is seen of a tall adult, and of what they carry
_TALLEST_M = 2.4  # an adult with raised arms
_UNEXPLAINED_M2 = 0.03  # what moves of somebody who touches furniture: a forearm; edges of furniture flicker by less
_BESIDE_M, _BODY_DEPTH_M = 0.4, 0.3  # a body's extent beside, and before or behind what moves of it
_MIN_REGION_M2 = 0.02  # of a frame's foreground a metre away: smaller is noise


def _noise_m(z_m: Metres) -> Metres:
    """Return what a time-of-flight sensor's distances may differ by, in metres: 8 cm at 3 m, four times its noise."""
    return np.float32(0.03) + np.float32(0.006) * z_m * z_m


@dataclass(frozen=True)
class _Region:
    """A connected part of a frame: its label, and metres of its surface, motion, distance, width, and heights.

    on_floor: whether heights count from the floor; else from the lens, where no floor is in view.
    """

    label: int
    area_m2: float
    moving_m2: float
    distance_m: float
    width_m: float
    bottom_m: float
    top_m: float
    on_floor: bool

    @property
    def is_of_a_persons_size(self) -> bool:
        # Small children to tall adults, arms stretched out, and who lies. Without a floor, maybe head and shoulders
        # alone.
        is_low = self.bottom_m < 0.5 and (self.top_m > 0.6 or self.width_m > 0.7)
        fits, min_m2 = (is_low, 0.08) if self.on_floor else (True, 0.04)
        return fits and self._is_within(_TALLEST_M, 2.2) and self.area_m2 > min_m2

    @property
    def moves(self) -> bool:
        return self.moving_m2 > min(_MOTION_M2, _MOTION_SHARE * self.area_m2)

    @property
    def is_like_somebody_standing(self) -> bool:
        reaches_up = self.top_m > 1.2 and self.bottom_m < 0.3
        is_tall = reaches_up if self.on_floor else self.top_m - self.bottom_m > 0.9
        return is_tall and self._is_within(2.2, 1.3) and 0.12 < self.area_m2 < 0.9

    def _is_within(self, height_m: float, width_m: float) -> bool:
        """Whether it reaches no higher than this above the floor, or is no higher itself, and is no wider."""
        height = self.top_m if self.on_floor else self.top_m - self.bottom_m
        return height < height_m and self.width_m < width_m

    @property
    def moves_as_a_whole(self) -> bool:
        is_large = self.area_m2 > 0.01 * min(1.0, self.distance_m**2)
        return is_large and self.moving_m2 > 0.5 * self.area_m2


@dataclass(frozen=True)
class _Regions:
    """The regions of one sampled frame: int32 labels [H, W], and those neither tiny nor larger than people.

    moving: bool [H, W], what is nearer than the background.
    """

    z: Metres
    labels: NDArray[np.int32]
    found: list[_Region]
    moving: Mask

    def where(self, chosen: Iterable[_Region]) -> Mask:
        """Return bool [H, W]: the pixels of the chosen regions."""
        is_chosen = np.zeros(self.labels.max() + 1, np.bool_)
        is_chosen[[region.label for region in chosen]] = True
        return np.asarray(is_chosen[self.labels], np.bool_)

    def shares(self, mask: Mask) -> NDArray[np.float64]:
        """Return, by label, the share of a region's pixels that are set in a mask [H, W]."""
        labels = self.labels.reshape(-1)
        return np.bincount(labels, mask.reshape(-1)) / np.maximum(np.bincount(labels), 1)


class SceneModel:
    """What the room looks like without its people, and where people are in the frames that it was made of."""

    def __init__(self, samples: Sequence[Depth], camera: DepthCamera) -> None:
        shape = samples[0].shape
        step = max(1, round(_STEP_SHARE * shape[0]))
        self._slope = camera.slope / step
        self._tangents = camera.tangents(shape, step)
        self._m2 = 1 / abs(float(camera.slope.prod()))  # of a pixel at 1 m
        depths = np.stack([_without_specks(frame) for frame in samples])
        coarse = depths[:, ::step, ::step]
        ordered = np.sort(coarse, axis=0)  # where nothing was measured is 0, and comes first
        typical = _ranked(ordered, 0.5)
        self._floor = fit_floor(self._tangents.points(typical)[typical > 0])
        far = _ranked(ordered, _FAR_SHARE)
        self._walls = self._fit_walls(far)
        people = self._find_people([self._regions(z, far) for z in coarse])
        limit_m, self._zone = _limits(depths, np.stack(people), step)
        limit_mm = 1000 * limit_m
        if self._floor:
            limit_mm = np.minimum(limit_mm, self._floor.limits_mm(camera.tangents(shape), _FLOOR_M))
        self._limit_mm = np.clip(limit_mm, 0, np.iinfo(np.uint16).max).astype(np.uint16)

    def mask(self, frame: Depth) -> Mask:
        """Return the bool mask [H, W] of the people in a uint16 millimetre frame [H, W]."""
        foreground = (frame > 0) & (frame < self._limit_mm)
        num, labels = cv2.connectedComponents(foreground.view(np.uint8))
        places = np.flatnonzero(foreground)  # few of all pixels
        label, zed = labels.reshape(-1)[places], frame.reshape(-1)[places] * np.float32(0.001)
        sizes = np.maximum(np.bincount(label, minlength=num), 1)
        squares = np.bincount(label, zed * zed, num)
        is_large = squares * self._m2 > _MIN_REGION_M2 * np.minimum(1.0, squares / sizes)  # nearer, smaller will do
        in_zone = np.bincount(label, self._zone.reshape(-1)[places], num) / sizes
        mask = np.zeros(frame.size, np.bool_)
        mask[places] = (is_large & (in_zone > 0.3))[label]
        return mask.reshape(frame.shape)

    def _fit_walls(self, far: Metres) -> list[Plane]:
        if self._floor is None:
            return []
        above = self._floor.heights(self._tangents, far) > 2 * _FLOOR_M
        surface = far * far * np.float32(1 / abs(float(self._slope.prod())))
        return fit_walls(self._tangents.points(far)[above], surface[above], self._floor)

    def _heights(self, z: Metres) -> Metres:
        """Return heights above the floor in metres, float32 [H, W]; above the lens where no floor is in view."""
        return self._floor.heights(self._tangents, z) if self._floor else self._tangents.rows * z

    def _regions(self, z: Metres, far: Metres) -> _Regions:
        """Return the regions of a frame above the floor in which distance does not jump."""
        heights = self._heights(z)
        solid = (z > 0) & ~_jumps(z)
        if self._floor:
            solid &= heights > 2 * _FLOOR_M
        for wall in self._walls:
            solid &= np.abs(wall.heights(self._tangents, z)) > _WALL_SHARE * _noise_m(z)
        num, labels, boxes, _ = cv2.connectedComponentsWithStats(solid.view(np.uint8), connectivity=4)
        nearer = ((z < far - _noise_m(far)) & solid).view(np.uint8)
        moving = cv2.morphologyEx(nearer, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        surface = z * z * np.float32(1 / abs(float(self._slope.prod())))
        areas = np.bincount(labels.reshape(-1), surface.reshape(-1), num)
        motions = np.bincount(labels.reshape(-1), (surface * moving).reshape(-1), num)
        found = []
        for label in np.flatnonzero((areas > _MIN_PIECE_M2) & (areas < _MAX_PERSON_M2)).tolist():
            x, y, width, height = boxes[label, :4]
            part = slice(y, y + height), slice(x, x + width)
            inside = labels[part] == label
            bottom, top = np.percentile(heights[part][inside], (2, 98))
            distance_m = float(np.median(z[part][inside]))
            width_m = width / float(self._slope[0]) * distance_m
            if label > 0:  # 0 is what lies between the regions
                sizes = (areas[label], motions[label], distance_m, width_m, float(bottom), float(top))
                found.append(_Region(label, *sizes, on_floor=self._floor is not None))
        return _Regions(z, labels.astype(np.int32, copy=False), found, moving > 0)

    def _find_people(self, frames: Sequence[_Regions]) -> list[Mask]:
        """Return bool [H, W] of each frame: which pixels are people's."""
        movers = np.zeros_like(frames[0].z)  # how far away those are, in any frame, that are seen to move in it
        stirring = np.zeros_like(movers)  # the same of those of whom anything moves at all
        num_with_movers = 0
        for frame in frames:
            moving = [region for region in frame.found if region.is_of_a_persons_size and region.moves]
            num_with_movers += len(moving) > 0
            np.copyto(movers, frame.z, where=frame.where(moving))
            np.copyto(stirring, frame.z, where=frame.where(r for r in frame.found if r.moving_m2 > 0))
        motion_m2 = max(self._area_m2(frame.z, frame.moving) for frame in frames)
        if motion_m2 > _UNEXPLAINED_M2 and num_with_movers < len(frames) / 2:
            return self._people_on_furniture(frames)
        # Even people who stand still stir a little: what never does, while somebody moves, is the room.
        is_lively = num_with_movers > _LIVELY_SHARE * len(frames)
        return [_people(frame, movers, stirring if is_lively else frame.z) for frame in frames]

    def _people_on_furniture(self, frames: Sequence[_Regions]) -> list[Mask]:
        """Return bool [H, W] of each frame: people who touch furniture all the time, and what they touch.

        They and it are one region, too large for a person: what is as far away as something that moves, and beside it
        or below or above, is taken for them.
        """
        z = np.stack([frame.z for frame in frames])
        moving = np.stack([frame.moving for frame in frames])
        nearest = np.where(moving, z, np.float32(np.inf)).min(axis=(0, 1))
        farthest = np.where(moving, z, 0).max(axis=(0, 1))
        reach = round(_BESIDE_M * float(self._slope[0]) / float(np.median(z[moving])))
        kernel = np.ones((1, 2 * reach + 1), np.uint8)
        near = cv2.erode(nearest[None], kernel) - np.float32(_BODY_DEPTH_M)
        far = cv2.dilate(farthest[None], kernel) + np.float32(_BODY_DEPTH_M)
        tallest = _TALLEST_M if self._floor else np.inf
        return [
            (frame.labels > 0) & (frame.z > near) & (frame.z < far) & (self._heights(frame.z) < tallest)
            for frame in frames
        ]

    def _area_m2(self, z: Metres, mask: Mask) -> float:
        return float((z[mask] ** 2).sum() / np.abs(self._slope.prod()))


def _people(frame: _Regions, movers: Metres, stirring: Metres) -> Mask:
    """Return bool [H, W]: the pixels of people and of what belongs to them in one frame.

    movers, stirring: how far away, float32 [H, W], those are, or 0, who move, and who may stand still.
    """
    moves, stirs = (
        frame.shares((surface > 0) & (np.abs(surface - frame.z) < _SAME_PLACE_M)) for surface in (movers, stirring)
    )
    chosen = [
        region
        for region in frame.found
        if (region.is_of_a_persons_size and moves[region.label] > 0.5)
        or (region.is_like_somebody_standing and stirs[region.label] > 0.5)
        or region.moves_as_a_whole
    ]
    people = frame.where(chosen)
    ring = cv2.dilate(np.where(people, frame.z, 0), _ring(frame.z.shape))
    beside = frame.shares(ring > 0)
    joins = frame.shares((ring > 0) & (np.abs(ring - frame.z) < 2 * _RING_DEPTH_M))
    # A leg behind the other, a hand before the chest: much of its outline is theirs, and as far away.
    pieces = [
        region
        for region in frame.found
        if region.area_m2 < _MAX_PIECE_M2
        and joins[region.label] > 0.5 * beside[region.label]
        and (beside[region.label] > 0.25 or moves[region.label] > 0.3)
    ]
    return people | frame.where(pieces)


def _enlarged(coarse: NDArray[_Value], step: int, shape: tuple[int, ...]) -> NDArray[_Value]:
    """Return values of every `step`-th pixel as ones of all pixels, [H, W]."""
    return np.repeat(np.repeat(coarse, step, axis=0), step, axis=1)[: shape[0], : shape[1]]


def _limits(depths: Metres, people: NDArray[np.bool_], step: int) -> tuple[Metres, Mask]:
    """Return up to which distance, float32 [H, W], depth is a person's, and bool [H, W] where people come to at all.

    depths: float32 [N, H, W]; people: bool [N, h, w], of every `step`-th pixel of them.
    """
    kernel = _ring(people.shape[1:])
    near = np.stack([_enlarged(cv2.dilate(mask.view(np.uint8), kernel), step, depths.shape[1:]) for mask in people])
    background = _ranked(np.sort(np.where(near, 0, depths), axis=0), 0.5)
    farthest = np.where(people, depths[:, ::step, ::step], 0).max(axis=0)
    surface = _enlarged(cv2.dilate(farthest, kernel), step, depths.shape[1:])
    # Where nobody ever leaves the view free, what is just behind the farthest surface of a person may be theirs.
    behind = np.where(surface > 0, surface + np.float32(_RING_DEPTH_M), 0)
    limit = np.where(background > 0, background - _noise_m(background), behind)
    return limit.astype(np.float32, copy=False), surface > 0


def _ring(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    reach = max(1, round(_RING_SHARE * shape[0]))
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)


def _jumps(z: Metres) -> Mask:
    """Return bool [H, W]: where distance differs from the left or the upper neighbour's by more than noise."""
    noise = _noise_m(z)
    jumps = np.zeros(z.shape, np.bool_)
    jumps[:, 1:] = np.abs(np.diff(z, axis=1)) > noise[:, 1:]
    jumps[1:] |= np.abs(np.diff(z, axis=0)) > noise[1:]
    return jumps


def _without_specks(frame: Depth) -> Metres:
    """Return metres with lone pixels, measured or not, taken from their neighbours; regions fall apart by them."""
    smooth = cv2.medianBlur(frame, 5 if frame.shape[0] > 300 else 3)
    return np.where(smooth > 0, smooth, frame) * np.float32(0.001)


def _ranked(ordered: Metres, share: float) -> Metres:
    """Return the value at a share of those above 0, float32 [H, W], of values [N, H, W] sorted along the first axis."""
    num_missing = len(ordered) - np.count_nonzero(ordered, axis=0)
    rank = num_missing + (share * (len(ordered) - 1 - num_missing)).astype(np.int64)
    return np.asarray(np.take_along_axis(ordered, np.clip(rank, 0, len(ordered) - 1)[None], axis=0)[0], np.float32)


def search_bodies(frames: DepthFrames, camera: DepthCamera) -> MaskOfFrame:
    """Return what tells the people in each frame of a recording whose camera does not move."""
    model = SceneModel(frames.spread(_NUM_SAMPLES), camera)
    return lambda _, frame: model.mask(frame)
