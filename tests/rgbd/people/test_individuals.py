"""Who is in masks: also a hand alone close to the camera, and somebody who is there for a moment only."""

import numpy as np

from rgbd.camera.sensors import find_sensor
from rgbd.people.individuals import find_individuals, mask_of
from rgbd.types import Depth, Mask

CAMERA = find_sensor("sr305").camera((640, 480))
EMPTY = np.zeros((480, 640), np.uint16)


def surfaces(*places: tuple[int, int, int, int]) -> tuple[Depth, Mask]:
    """Return square surfaces, each of a column, a row, a side and a distance in millimetres, and where they are."""
    depth = EMPTY.copy()
    for x, y, side, distance_mm in places:
        depth[y : y + side, x : x + side] = distance_mm
    return depth, depth > 0


def test_a_hand_before_the_camera_is_somebody() -> None:
    frames = [(index, *surfaces((200 + 4 * index, 150, 120, 300))) for index in range(8)]
    (hand,) = find_individuals(frames, CAMERA)
    assert len(hand.frames) == 8 and max(hand.areas_m2) < 0.01


def test_whoever_is_there_for_a_moment_is_somebody_where_nobody_else_is() -> None:
    frames = [(index, *surfaces(*([(300, 100, 150, 2000)] if index == 5 else []))) for index in range(20)]
    (person,) = find_individuals(frames, CAMERA)
    assert person.frames == [5]
    assert find_individuals([(0, EMPTY, EMPTY > 0)], CAMERA) == []


def test_two_are_told_apart() -> None:
    frames = [(0, *surfaces((100, 100, 150, 2000), (400, 100, 150, 2000)))]
    people = find_individuals(frames[:1], CAMERA)
    assert len(people) == 2
    index, depth, mask = frames[0]
    left, right = (mask_of(number, people, index, depth, mask, CAMERA) for number in (0, 1))
    assert not (left & right).any() and (left | right).sum() == mask.sum()
    assert sorted((int(left[:, :320].sum()), int(right[:, :320].sum()))) == [0, 150 * 150]
