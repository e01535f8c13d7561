"""Rates, weights and mixes by epoch and batch against the reference's (tests/golden/umdr)."""

from typing import Any, cast

import numpy as np
import pytest
import torch

from rgbd.clip.sampling import bin_centres
from tests.training.networks.umdr.goldens import DIVISORS, golden
from training.config.augmentation import AugmentConfig
from training.config.schema import OptimizerConfig, TrainingConfig
from training.data.augmentation.active import active_augmentations
from training.data.augmentation.stages import Mixed, mix
from training.networks.dsn.config import ScheduleConfig
from training.networks.family import cross_entropy
from training.networks.umdr.config import LossConfig, NetworkConfig
from training.networks.umdr.family import FAMILY
from training.networks.umdr.schedule import distillation_weight
from training.run.schedule import RateSetter, Span

BASE = {"modality": "rgb", "network": {"name": "umdr"}, "schedule": {"warmup_epochs": 5}}
STEPS = {"name": "step", "step_epochs": 10, "warmup_epochs": 5}


def rates_of_epochs(config: TrainingConfig) -> list[float]:
    """Return the rate that the trainer sets in the middle of each epoch."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    setter = RateSetter(optimizer, config)
    return [setter.before_step(Span(epoch + 0.5, epoch + 0.51)) for epoch in range(config.schedule.epochs)]


@pytest.mark.parametrize(("name", "changes"), [("unimodal", {}), ("fusion", {"schedule": STEPS})])
def test_legacy_rates(name: str, changes: dict[str, object]) -> None:
    config = TrainingConfig.model_validate({**BASE, **changes, "legacy": {"warmup": True}})
    assert rates_of_epochs(config) == pytest.approx(golden("schedule")[f"{name}_lr_per_epoch"], rel=1e-8)


def test_the_right_rates_reach_the_peak_come_in_time_and_have_a_floor() -> None:
    cosine = rates_of_epochs(TrainingConfig.model_validate(BASE))
    steps = rates_of_epochs(TrainingConfig.model_validate({**BASE, "schedule": STEPS}))
    assert cosine[0] > 5e-4 and cosine[5] == pytest.approx(0.01, rel=1e-3), "the reference: 1e-6, and 0.0080"
    assert cosine[-1] < 1.1e-5, "the reference: 2e-5"
    assert [steps[epoch] for epoch in (5, 14, 15, 25)] == pytest.approx([0.01, 0.01, 1e-3, 1e-4])
    assert min(steps[35:]) == 1e-5 == OptimizerConfig().min_lr, "the reference: 1e-11"


def test_temperature_and_distillation_by_epoch() -> None:
    expected, config = golden("schedule"), TrainingConfig.model_validate(BASE)
    states = [FAMILY.epoch_state(config, epoch)["tau"] for epoch in range(32)]
    assert states == pytest.approx(expected["temperature_per_epoch_first_32"], abs=1e-9)
    weights = [distillation_weight(epoch, 0.2, config.schedule) for epoch in range(8)]
    assert weights == expected["distill_weight_per_epoch_first_8"]


def test_branches_read_the_references_frames_with_its_kernels() -> None:
    for num_frames, divisor in DIVISORS.items():
        frames = NetworkConfig(branch_divisor=divisor).branch_frames(num_frames)
        chosen = {str(number): bin_centres(num_frames, number).tolist() for number in frames}
        assert chosen == golden("schedule")["branch_frames"][str(num_frames)]
    assert cast(ScheduleConfig, TrainingConfig.model_validate(BASE).schedule).tau == (0.04, 0.07)


class Drawn:
    """Gives what the reference drew for a batch instead of random numbers."""

    def __init__(self, share: float, frames_from_partner: list[int]) -> None:
        self._share, self._taken = share, frames_from_partner

    def beta(self, _a: float, _b: float) -> float:
        return self._share

    def permutation(self, size: int) -> np.ndarray:
        """Return an order in which the frames that are taken come last; also asked for one of the batch's clips."""
        order = sorted(range(size), key=lambda place: place in self._taken)
        return np.argsort(order)


def mixed_by_us(expected: dict[str, Any], clips: torch.Tensor, *, as_published: bool) -> Mixed:
    """Return a batch mixed by what the reference drew, as it mixes or as we do."""
    drawn = cast(np.random.Generator, Drawn(expected["lam"], expected.get("frames_from_partner", [])))
    settings = AugmentConfig(mixup=0.8, shufflemix=0.3)
    kinds = {each.name: each for each in active_augmentations(settings, as_published=as_published).batch}
    return kinds[expected["kind"]].mix((clips,), drawn)


def numbered_clips(setup: dict[str, Any]) -> torch.Tensor:
    """Return clips that fit a byte: 50 for each sample, where the reference's have 100, and the frame's number."""
    values = 50 * torch.arange(setup["batch"])[:, None] + torch.arange(setup["frames"])
    return values.to(torch.uint8)[..., None, None, None]


@pytest.mark.parametrize("call", range(24))
def test_mixes_as_published(call: int) -> None:
    expected, setup = golden("mixing")["calls"][call], golden("mixing")["setup"]
    mixed = mixed_by_us(expected, numbered_clips(setup), as_published=True)
    times = np.arange(setup["frames"])
    pixels = (np.array(expected["x_sample0"]) - times) / 2 + times
    np.testing.assert_allclose(mixed.clips[0][0, :, 0, 0, 0].numpy(), pixels, atol=0.501)  # ours are rounded to bytes

    labels, num_classes = torch.tensor(setup["labels"]), setup["num_classes"]
    smoothed = torch.full((setup["batch"], num_classes), setup["smoothing"] / num_classes)
    smoothed[torch.arange(len(labels)), labels] += 1 - setup["smoothing"]
    targets = mixed.share * smoothed + (1 - mixed.share) * smoothed[mixed.partners]
    for label, share in expected["target_sample0"].items():
        assert targets[0, int(label)].item() == pytest.approx(share, abs=1e-6)
    assert targets[1, 17].item() == pytest.approx(expected["target_sample1_class17"], abs=1e-6)
    assert targets.min().item() == pytest.approx(expected["target_minimum"], abs=1e-6)
    # What the trainer blends, the losses for both labels, is the loss for such targets.
    scores = torch.randn(setup["batch"], num_classes, generator=torch.Generator().manual_seed(call))
    loss = LossConfig(label_smoothing=setup["smoothing"])
    ours = mixed.share * cross_entropy(scores, labels, loss)
    ours += (1 - mixed.share) * cross_entropy(scores, labels[mixed.partners], loss)
    torch.testing.assert_close(ours, -(targets * scores.log_softmax(1)).sum(1).mean())


def test_our_label_has_the_share_of_the_frames_that_are_kept() -> None:
    setup = golden("mixing")["setup"]
    calls = [each for each in golden("mixing")["calls"] if each["kind"] == "shufflemix"]
    assert len(calls) == 7
    for expected in calls:
        mixed = mixed_by_us(expected, numbered_clips(setup), as_published=False)
        taken = len(expected["frames_from_partner"])
        assert mixed.share == 1 - taken / setup["frames"] != expected["lam"]


def test_one_of_five_batches_is_mixed_of_frames() -> None:
    settings = AugmentConfig(mixup=0.8, shufflemix=0.3, shufflemix_share=0.2)
    active, clips = active_augmentations(settings).batch, numbered_clips(golden("mixing")["setup"])
    kinds = [mix(active, (clips,), (number,)) for number in range(1500)]
    untouched = [mixed is not None and bool(torch.isin(mixed.clips[0], clips).all()) for mixed in kinds]
    assert 0.17 < np.mean(untouched) < 0.25  # a blend is seldom of values that are there
