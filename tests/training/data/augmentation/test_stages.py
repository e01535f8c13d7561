"""What all augmentations share: each draws for itself, whatever else is switched on and in whatever order."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from rgbd.clip.spec import ClipSpec, Geometry, centred_geometry
from training.config.augmentation import AugmentConfig
from training.data.augmentation.active import active_augmentations
from training.data.augmentation.stages import (
    BatchAugmentation,
    GeometryAugmentation,
    Stages,
    change_frames,
    choose_frames,
    draw_geometry,
    mix,
)

SPEC = ClipSpec()
ALL = AugmentConfig.model_validate(
    {
        "flip": 0.5,
        "rotated": 0.5,
        "mixup": 0.8,
        "shufflemix": 0.8,
        "depth_noise": {"probability": 1},
        "photometric": {"probability": 1},
        "span": [0.5, 1],
        "zoom": [0.8, 1.25],
        "viewpoint": {"probability": 1},
    }
)


def geometries(active: Sequence[GeometryAugmentation], count: int = 200) -> list[Geometry]:
    return [draw_geometry(active, SPEC, (0, 0, clip)) for clip in range(count)]


def stages(**changes: object) -> Stages:
    return active_augmentations(AugmentConfig.model_validate(changes))


def test_only_what_the_configuration_asks_for_is_active() -> None:
    off, on = stages(flip=0, rotated=0), active_augmentations(ALL)
    assert [len(stage) for stage in (off.frames, off.raw, off.geometry, off.batch)] == [1, 0, 1, 0]
    assert [len(stage) for stage in (on.frames, on.raw, on.geometry, on.batch)] == [2, 3, 4, 2]
    names = [each.name for stage in (on.frames, on.raw, on.geometry, on.batch) for each in stage]
    assert len(set(names)) == len(names) == 11


def test_without_augmentations_a_clip_is_as_evaluation_sees_it() -> None:
    assert choose_frames((), 100, 4, (0, 0, 0)).tolist() == [12, 37, 62, 87]
    assert draw_geometry((), SPEC, (0, 0, 0)) == centred_geometry(SPEC)


def test_frames_are_one_of_each_bin_and_cover_it() -> None:
    active = stages().frames
    chosen = np.array([choose_frames(active, 40, 4, (0, 0, clip)) for clip in range(300)])
    assert [set(column.tolist()) for column in chosen.T] == [set(range(start, start + 10)) for start in (0, 10, 20, 30)]


def test_geometry_covers_its_ranges() -> None:
    found = geometries(active_augmentations(ALL).geometry, 1500)
    assert {geometry.angle_deg for geometry in found} == set(range(-10, 11))
    assert 0.45 < np.mean([geometry.flip for geometry in found]) < 0.55
    assert 0.45 < np.mean([geometry.angle_deg == 0 for geometry in found]) < 0.6  # by half, and 0 degrees
    assert {geometry.crop_xy[0] for geometry in found} == set(range(97))
    assert {geometry.crop_xy[1] for geometry in found} == set(range(17))


def test_switching_one_on_leaves_the_draws_of_others() -> None:
    plain, turned = geometries(stages(flip=0.5, rotated=0).geometry), geometries(stages(flip=0.5, rotated=1).geometry)
    assert [replace(geometry, angle_deg=0.0) for geometry in turned] == plain
    mirrored = geometries(stages(flip=1, rotated=1).geometry)
    assert [(each.crop_xy, each.angle_deg) for each in mirrored] == [(each.crop_xy, each.angle_deg) for each in turned]
    whole = ALL.model_copy(update={"span": (1.0, 1.0)})  # a span moves what was drawn
    frames = [choose_frames(active_augmentations(each).frames, 900, 16, (0, 0, 1)) for each in (AugmentConfig(), whole)]
    np.testing.assert_array_equal(*frames)


def test_each_draws_other_numbers_of_the_same_key() -> None:
    found = geometries(stages(flip=0.5, rotated=0.5, angle_deg=[1, 9]).geometry, 400)
    both = np.corrcoef([[geometry.flip, geometry.angle_deg > 0] for geometry in found], rowvar=False)
    assert abs(both[0, 1]) < 0.2


def test_their_order_does_not_change_what_they_draw() -> None:
    geometry = active_augmentations(ALL).geometry
    assert geometries(geometry) == geometries(geometry[::-1])
    batch = active_augmentations(ALL).batch
    for number in range(20):
        one, other = mixed(batch, number), mixed(batch[::-1], number)
        assert torch.equal(one, other)


def mixed(active: Sequence[BatchAugmentation], number: int) -> torch.Tensor:
    clips = torch.arange(4 * 8, dtype=torch.uint8).reshape(4, 8, 1, 1, 1).expand(4, 8, 2, 2, 3)
    result = mix(active, (clips,), (number,))
    assert result is not None
    return result.clips[0]


@pytest.mark.parametrize("place", range(3))
def test_draws_follow_from_seed_epoch_and_clip(place: int) -> None:
    active, key = active_augmentations(ALL), [3, 4, 5]
    frame = np.full((24, 32, 3), 99, np.uint8)

    def drawn(key: Sequence[int]) -> tuple[list[int], Geometry, int]:
        now = (key[0], key[1], key[2])
        frames = choose_frames(active.frames, 900, 16, now).tolist()
        color = int(change_frames(active.raw, [frame], "rgb", now)[0][0, 0].astype(int) @ [1, 256, 65536])
        return frames, draw_geometry(active.geometry, SPEC, now), color

    here, again = drawn(key), drawn(key)
    key[place] += 1
    there = drawn(key)
    assert here == again
    assert all(one != other for one, other in zip(here, there, strict=True))


def test_depth_that_is_an_image_keeps_its_colours() -> None:
    raw, frames = stages(photometric={"probability": 1}).raw, [np.full((24, 32, 3), 99, np.uint8)]
    assert change_frames(raw, frames, "depth", (0, 0, 0)) is frames
    assert change_frames(raw, frames, "rgb", (0, 0, 0)) is not frames
