"""RGB in other light and other colours."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rgbd.errors import ConfigError
from rgbd.types import Frame
from tests.support.processed import write_config
from training.config.augmentation import PhotometricConfig
from training.config.loading import load_config
from training.data.augmentation.photometric import Photometric

NONE = {"brightness": (1, 1), "contrast": (1, 1), "saturation": (1, 1), "gamma": (1, 1), "hue_deg": (0, 0)}
COLORS = np.random.default_rng(1).integers(40, 200, (30, 40, 3)).astype(np.uint8)
RED, GREEN, BLUE = ([220, 20, 20], [20, 220, 20], [20, 20, 220])


def recolored(*frames: Frame, seed: int = 0, **settings: tuple[float, float]) -> NDArray[np.uint8]:
    config = PhotometricConfig.model_validate({"probability": 1} | NONE | settings)
    return np.stack(Photometric(config).change(frames, np.random.default_rng(seed))).astype(np.uint8, casting="safe")


def pixel(color: list[int]) -> NDArray[np.uint8]:
    return np.array([[color]], np.uint8)


def test_ranges_of_a_single_value_give_just_that() -> None:
    assert np.array_equal(recolored(COLORS)[0], COLORS)
    assert np.abs(recolored(COLORS, brightness=(0.5, 0.5))[0] - COLORS * 0.5).max() <= 0.5
    assert np.abs(recolored(COLORS, contrast=(0.5, 0.5))[0] - (COLORS * 0.5 + 63.75)).max() <= 0.5
    assert recolored(pixel([64, 64, 64]), gamma=(0.5, 0.5))[0, 0, 0].tolist() == [128] * 3
    grey = recolored(COLORS, saturation=(0, 0))[0]
    assert np.ptp(grey, axis=2).max() == 0 and np.abs(grey[..., 0] - COLORS @ [0.2989, 0.587, 0.114]).max() <= 1


def test_a_turn_of_120_degrees_exchanges_the_colours_and_leaves_grey() -> None:
    assert recolored(pixel(RED), hue_deg=(120, 120))[0, 0, 0].tolist() == GREEN
    assert recolored(pixel(RED), hue_deg=(-120, -120))[0, 0, 0].tolist() == BLUE
    assert recolored(pixel([90, 90, 90]), hue_deg=(33, 33))[0, 0, 0].tolist() == [90] * 3


def test_all_frames_of_a_clip_change_in_the_same_way() -> None:
    settings = {"brightness": (0.5, 1.5), "contrast": (0.5, 1.5), "saturation": (0.5, 1.5), "hue_deg": (-20, 20)}
    darker = (COLORS * 0.7).astype(np.uint8)
    for seed in range(5):
        changed = recolored(COLORS, darker, COLORS.copy(), seed=seed, **settings)
        assert np.array_equal(changed[0], changed[2]) and not np.array_equal(changed[0], COLORS)
        # The change is of a colour alone, wherever and in whichever frame that is.
        alone = recolored(darker[:3, :3], seed=seed, **settings)[0]
        assert np.array_equal(changed[1][:3, :3], alone)


def test_clips_differ_over_the_whole_range() -> None:
    grey = np.full((2, 2, 3), 100, np.uint8)
    values = [int(recolored(grey, seed=seed, brightness=(0.5, 1.5))[0, 0, 0, 0]) for seed in range(200)]
    assert min(values) < 60 and max(values) > 140 and np.mean(values) == pytest.approx(100, abs=5)
    values = [int(recolored(grey, seed=seed, gamma=(0.5, 2))[0, 0, 0, 0]) for seed in range(200)]
    assert np.mean([value > 100 for value in values]) == pytest.approx(0.5, abs=0.1)  # as often lighter as darker


def test_some_clips_change_and_the_given_frames_are_not_written_to() -> None:
    photometric, frames = Photometric(PhotometricConfig(probability=0.3)), [COLORS.copy()]
    frames[0].setflags(write=False)
    same = [photometric.change(frames, np.random.default_rng([seed])) is frames for seed in range(300)]
    assert np.mean(same) == pytest.approx(0.7, abs=0.1)


@pytest.mark.parametrize(
    "setting",
    ["brightness=[1.2, 0.8]", "contrast=[-1, 1]", "gamma=[0, 1]", "hue_deg=[-200, 0]", "saturation=[0, .inf]"],
)
def test_settings_have_limits(tmp_path: Path, setting: str) -> None:
    path = write_config(tmp_path / "run.yml", tmp_path, tmp_path)
    with pytest.raises(ConfigError, match=rf"augment\.photometric.*{setting.partition('=')[0]}"):
        load_config(path, [f"augment.photometric.{setting}"])
