"""Depth with the noise of a sensor: holes, errors and steps, in millimetres."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rgbd.errors import ConfigError
from rgbd.types import Frame
from tests.support.processed import write_config
from training.config.augmentation import DepthNoiseConfig
from training.config.loading import config_yaml, load_config
from training.data.augmentation.depth_noise import DepthNoise

NONE = {"probability": 1.0, "edge_loss": 0.0, "blob_loss": 0.0, "jitter_mm": 0.0, "step_mm": 0.0}


def noisy(*frames: Frame, seed: int = 0, **settings: float) -> NDArray[np.uint16]:
    noise = DepthNoise(DepthNoiseConfig.model_validate(NONE | settings))
    return np.stack(noise.change(frames, np.random.default_rng(seed))).astype(np.uint16, casting="safe")


def flat(depth_mm: int) -> NDArray[np.uint16]:
    return np.full((120, 160), depth_mm, np.uint16)


def scene() -> NDArray[np.uint16]:
    """Return a body in front of a wall; in a corner nothing is measured."""
    depth = flat(3000)
    depth[30:100, 60:100] = 2000
    depth[:20, :20] = 0
    return depth


def test_switched_off_part_by_part_nothing_changes() -> None:
    assert np.array_equal(noisy(scene())[0], scene())


@pytest.mark.parametrize("depth_mm", [1000, 2000, 4000])
def test_jitter_grows_with_the_square_of_the_distance(depth_mm: int) -> None:
    errors = noisy(*[flat(depth_mm) for _ in range(8)], jitter_mm=1.4).astype(float) - depth_mm
    rounding = 1 / np.sqrt(12)
    assert errors.std() == pytest.approx(np.hypot(1.4 * (depth_mm / 1000) ** 2, rounding), rel=0.03)
    assert abs(errors.mean()) < 0.05 * errors.std()
    assert errors[0] != pytest.approx(errors[1])


def test_steps_grow_with_the_square_of_the_distance() -> None:
    ramp = np.arange(500, 8000, dtype=np.uint16).reshape(75, 100)
    steps = np.unique(noisy(ramp, step_mm=20)[0].astype(float))
    number = np.rint(50_000 / steps)
    assert np.array_equal(steps, np.rint(50_000 / number)) and np.array_equal(number, np.arange(number[0], 5, -1))
    for depth_mm, expected in ((1000, 20), (2000, 80), (4000, 320)):
        place = int(np.abs(steps - depth_mm).argmin())
        assert (steps[place + 1] - steps[place - 1]) / 2 == pytest.approx(expected, rel=0.1)
    assert np.abs(noisy(ramp, step_mm=20)[0].astype(float) - ramp).max() < 0.6 * 20 * 8**2


def test_edges_lose_the_share_that_is_asked_for_and_all_else_stays() -> None:
    gone = noisy(scene(), edge_loss=1.0)[0] == 0
    near = gone & (scene() > 0)
    assert near[29:31, 60:100].all() and near[30:100, 59:61].all() and near[20, :20].all()
    assert not gone[40:90, 70:90].any() and not gone[60:, 120:].any()
    half = (noisy(*[scene() for _ in range(8)], edge_loss=0.5) == 0) & (scene() > 0)
    assert half.sum() / 8 == pytest.approx(near.sum() / 2, rel=0.02)
    assert not np.array_equal(half[0], half[1])


def test_blobs_lose_a_share_that_is_drawn_for_the_clip() -> None:
    shares = []
    for seed in range(40):
        lost = (noisy(*[scene() for _ in range(3)], seed=seed, blob_loss=0.2) == 0)[:, scene() > 0].mean(1)
        assert lost.std() < 0.005
        shares.append(lost[0])
    assert max(shares) < 0.21 and min(shares) < 0.05 and np.mean(shares) == pytest.approx(0.1, abs=0.03)


def test_blobs_hold_together_and_stay_about_where_they_are() -> None:
    lost = noisy(*[flat(2000) for _ in range(9)], seed=1, blob_loss=0.3) == 0
    share = lost[0].mean()
    assert share > 0.05
    assert lost[:, :, 1:][lost[:, :, :-1]].mean() > 0.8  # beside a lost pixel another
    still_lost = [(lost[0] & later).mean() for later in lost]
    assert still_lost[1] > 0.7 * share and share**2 < still_lost[-1] < 0.8 * still_lost[1]


def test_what_was_not_measured_stays_so_and_nothing_else_becomes_near() -> None:
    changed = noisy(scene(), flat(1), flat(65_535), jitter_mm=100, step_mm=100)
    assert (changed[0][scene() == 0] == 0).all()
    assert (changed[0][scene() > 0] > 0).all() and (changed[1:] > 0).all()
    assert (noisy(flat(20_000), jitter_mm=100) > 0).all()  # whose errors are larger than the distance
    assert (noisy(flat(0), edge_loss=1, blob_loss=0.5, jitter_mm=10, step_mm=10) == 0).all()


def test_a_repeated_frame_stays_one_frame_and_the_given_ones_are_not_written_to() -> None:
    frame, other = scene(), scene()
    for each in (frame, other):
        each.setflags(write=False)
    changed = noisy(frame, frame, other, edge_loss=0.5, blob_loss=0.2, jitter_mm=2, step_mm=3)
    assert np.array_equal(changed[0], changed[1]) and not np.array_equal(changed[1], changed[2])
    assert np.array_equal(frame, scene())


def test_frames_may_differ_in_size() -> None:
    noise = DepthNoise(DepthNoiseConfig(probability=1))
    frames = [flat(2000), flat(2000)[:75, :91]]
    assert [frame.shape for frame in noise.change(frames, np.random.default_rng(0))] == [(120, 160), (75, 91)]


def test_some_clips_get_noise_and_the_others_are_not_even_copied() -> None:
    noise, frames = DepthNoise(DepthNoiseConfig(probability=0.3)), [scene()]
    same = [noise.change(frames, np.random.default_rng([seed])) is frames for seed in range(300)]
    assert np.mean(same) == pytest.approx(0.7, abs=0.1)


def test_images_have_no_millimetres(tmp_path: Path) -> None:
    path = write_config(tmp_path / "run.yml", tmp_path, tmp_path, augment={"depth_noise": {"probability": 0.5}})
    assert load_config(path).augment.depth_noise.probability == 0.5
    load_config(path, ["clip.depth.mode=image"])  # a run of RGB has no depth to change
    with pytest.raises(ConfigError, match=r"augment\.depth_noise works on millimetres.*set .*probability to 0"):
        load_config(path, ["modality=depth", "clip.depth.mode=image"])
    load_config(path, ["modality=depth", "clip.depth.mode=image", "augment.depth_noise.probability=0"])


@pytest.mark.parametrize(
    "setting", ["probability=1.1", "edge_loss=-1", "blob_loss=.9", "jitter_mm=.nan", "step_mm=-1", "step_mm=1e-9"]
)
def test_settings_have_limits(tmp_path: Path, setting: str) -> None:
    path = write_config(tmp_path / "run.yml", tmp_path, tmp_path)
    with pytest.raises(ConfigError, match=rf"augment\.depth_noise\.{setting.partition('=')[0]}"):
        load_config(path, [f"augment.depth_noise.{setting}"])


def test_the_printed_configuration_explains_every_key(tmp_path: Path) -> None:
    path = write_config(tmp_path / "run.yml", tmp_path, tmp_path)
    lines = config_yaml(load_config(path)).splitlines()
    for section in ("depth_noise", "photometric"):
        below = lines[lines.index(f"  {section}:") + 1 :][: 5 if section == "depth_noise" else 6]
        assert all(line.startswith("    ") and "  # " in line for line in below)
