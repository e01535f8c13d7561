"""Motions that are faster or slower, earlier or later, and people who are larger or smaller."""

import numpy as np
import pytest

from rgbd.clip.sampling import bin_centres
from rgbd.clip.spec import ClipSpec, centred_geometry
from training.config.augmentation import AugmentConfig
from training.data.augmentation.active import active_augmentations
from training.data.augmentation.frames import Span
from training.data.augmentation.geometry import Zoom
from training.data.augmentation.stages import choose_frames, draw_geometry


def test_a_span_is_a_part_of_the_recording_that_lies_anywhere() -> None:
    whole, span = bin_centres(100, 16), Span((0.5, 0.8))
    chosen = np.stack([span.choose(whole, 100, np.random.default_rng(seed)) for seed in range(300)])
    assert (np.diff(chosen, axis=1) >= 0).all()
    lengths = (chosen[:, -1] - chosen[:, 0]) / (whole[-1] - whole[0])
    assert 0.49 < lengths.min() < 0.52 and 0.78 < lengths.max() < 0.81
    assert chosen.min() < 5 and chosen.max() > 95
    assert chosen.min() >= 0 and chosen.max() < 100


def test_a_recording_of_one_frame_has_a_span() -> None:
    for seed in range(20):
        chosen = Span((0.1, 1.0)).choose(np.zeros(8, np.int64), 1, np.random.default_rng(seed))
        assert chosen.dtype == np.int64 and (chosen == 0).all()


def test_without_a_span_the_frames_are_drawn_as_before() -> None:
    published, whole = AugmentConfig(), AugmentConfig(span=(1.0, 1.0))
    assert [each.name for each in active_augmentations(whole).frames] == ["frames"]
    chosen = [choose_frames(active_augmentations(config).frames, 60, 16, (0, 1, 2)) for config in (published, whole)]
    np.testing.assert_array_equal(*chosen)


def test_zoom_is_as_often_in_as_out_and_leaves_the_crop() -> None:
    spec = ClipSpec()
    drawn = [Zoom((0.5, 2.0)).move(centred_geometry(spec), spec, np.random.default_rng(seed)) for seed in range(400)]
    factors = np.array([geometry.zoom for geometry in drawn])
    assert 0.5 <= factors.min() < 0.52 and 1.95 < factors.max() <= 2
    assert np.mean(factors > 1) == pytest.approx(0.5, abs=0.08)
    assert {geometry.crop_xy for geometry in drawn} == {centred_geometry(spec).crop_xy}


def test_zooming_leaves_the_draws_of_all_others() -> None:
    spec = ClipSpec()
    for clip in range(20):
        plain, zoomed = (
            draw_geometry(active_augmentations(config).geometry, spec, (0, 1, clip))
            for config in (AugmentConfig(), AugmentConfig(zoom=(0.8, 1.25)))
        )
        assert plain.zoom == 1 and zoomed.zoom != 1
        assert (plain.crop_xy, plain.angle_deg, plain.flip) == (zoomed.crop_xy, zoomed.angle_deg, zoomed.flip)


@pytest.mark.parametrize("wrong", [{"span": [0.9, 0.5]}, {"span": [0, 1]}, {"zoom": [2, 1]}, {"zoom": [0.1, 1]}])
def test_what_is_no_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AugmentConfig.model_validate(wrong)
