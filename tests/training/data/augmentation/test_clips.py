"""Augmentations in the clips of a processed data set."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rgbd.dataset.layouts import NTU
from rgbd.errors import MediaError
from rgbd.recording.stills.images import write_image
from tests.support.processed import write_clips, write_config
from training.config.loading import load_config
from training.config.schema import TrainingConfig
from training.data.dataset import ClipDataset, Draw, View

AS_BEFORE: dict[str, Any] = {"flip": 0.5, "rotated": 0.5, "angle_deg": [-10, 10]}
DEPTH_NOISE: dict[str, Any] = {"depth_noise": {"probability": 1, "jitter_mm": 4}}
PHOTOMETRIC: dict[str, Any] = {"photometric": {"probability": 1, "brightness": [0.5, 0.6]}}


class Clips:
    """Clips of both streams, of any number of frames, as a configuration's `augment` has them."""

    def __init__(self, folder: Path, num_frames: int) -> None:
        self.folder = folder
        write_clips(folder / "data", clips={"train": 4, "valid": 2}, num_frames=num_frames)

    def config(self, *parts: dict[str, Any], **sections: object) -> TrainingConfig:
        augment = AS_BEFORE.copy()
        for part in parts:
            augment |= part
        streams = {"rgb": "a.pt", "depth": "b.pt"}
        sections = {"modality": "rgbd", "streams": streams, "augment": augment} | sections
        return load_config(write_config(self.folder / "run.yml", self.folder / "data", self.folder, **sections))

    def load(self, config: TrainingConfig, how: int | View = 0) -> tuple[torch.Tensor, torch.Tensor]:
        """Return all clips, [N, T, H, W, 3] of RGB and of depth."""
        dataset = ClipDataset(config, "train")
        rgb, depth = zip(*(dataset[Draw(index, how)][0] for index in range(4)), strict=True)
        return torch.stack(rgb), torch.stack(depth)


@pytest.fixture
def clips(tmp_path: Path) -> Clips:
    return Clips(tmp_path, 24)


def test_depth_noise_leaves_rgb_frames_and_geometry(clips: Clips) -> None:
    (rgb, depth), (noisy_rgb, noisy_depth) = (clips.load(clips.config(*parts)) for parts in ((), (DEPTH_NOISE,)))
    assert torch.equal(rgb, noisy_rgb)
    assert not torch.equal(depth, noisy_depth)
    assert ((depth.float() - noisy_depth.float()).abs().amax(-1) < 40).float().mean() > 0.7  # the same bars in place


def test_photometric_changes_leave_depth(clips: Clips) -> None:
    (rgb, depth), (dark_rgb, same_depth) = (clips.load(clips.config(*parts)) for parts in ((), (PHOTOMETRIC,)))
    assert torch.equal(depth, same_depth)
    assert 0.45 < dark_rgb.float().mean() / rgb.float().mean() < 0.65


def test_both_draw_for_themselves(clips: Clips) -> None:
    noisy, dark, both = (
        clips.load(clips.config(*parts)) for parts in ((DEPTH_NOISE,), (PHOTOMETRIC,), (DEPTH_NOISE, PHOTOMETRIC))
    )
    assert torch.equal(both[0], dark[0]) and torch.equal(both[1], noisy[1])


def test_the_same_seed_epoch_and_clip_give_the_same_noise(clips: Clips) -> None:
    config = clips.config(DEPTH_NOISE, PHOTOMETRIC)
    here, again, later = clips.load(config, 3), clips.load(config, 3), clips.load(config, 4)
    other = clips.load(config.model_copy(update={"seed": 1}), 3)
    for stream in range(2):
        assert torch.equal(here[stream], again[stream])
        assert not torch.equal(here[stream], later[stream]) and not torch.equal(here[stream], other[stream])


def test_evaluation_runs_no_augmentation(clips: Clips) -> None:
    plain, augmented = (clips.config(*parts) for parts in ((), (DEPTH_NOISE, PHOTOMETRIC)))
    for view in (View(), View(0.5), View(flip=True)):
        for one, other in zip(clips.load(plain, view), clips.load(augmented, view), strict=True):
            assert torch.equal(one, other)


def test_two_geometries_have_one_noise(clips: Clips) -> None:
    legacy = {"two_geometries": True}
    spec = {"num_frames": 8, "resize": [64, 48], "crop": 40, "size": 32}
    plain = clips.load(clips.config(legacy=legacy, clip=spec))
    noisy = clips.load(clips.config(DEPTH_NOISE, legacy=legacy, clip=spec))
    assert torch.equal(plain[0], noisy[0])
    assert ((plain[1].float() - noisy[1].float()).abs().amax(-1) < 40).float().mean() > 0.7


def test_repeated_frames_of_a_short_recording_stay_the_same(tmp_path: Path) -> None:
    short = Clips(tmp_path, 4)  # for 8
    for stream in short.load(short.config(DEPTH_NOISE, PHOTOMETRIC)):
        frames = stream.unflatten(1, (4, 2))
        assert torch.equal(frames[:, :, 0], frames[:, :, 1])


def test_frames_of_the_wrong_kind_are_still_named(clips: Clips) -> None:
    config = clips.config(DEPTH_NOISE, PHOTOMETRIC)
    for path in sorted(config.data.root.glob("Images/*P002*/*.jpg")):
        path.unlink()
        write_image(path.with_suffix(".png"), np.full((60, 80), 900, np.uint16))
        path.with_suffix(".png").rename(path)
    with pytest.raises(MediaError, match="the clip holds 16-bit depth"):
        clips.load(config)
    spec = NTU.frame_path(config.data.root, "depth", ClipDataset(config, "train").entries[0].clip, 0)
    for path in sorted(spec.parent.glob("*.png")):
        write_image(path, np.full((60, 80, 3), 90, np.uint8))
    with pytest.raises(MediaError, match="the clip holds 8-bit images"):
        ClipDataset(config.model_copy(update={"modality": "depth"}), "train")[Draw(0, 0)]
