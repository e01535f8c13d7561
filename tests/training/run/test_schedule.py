"""How the learning rate changes."""

import pytest
import torch

from training.config.schema import OptimizerConfig, ScheduleConfig, TrainingConfig
from training.run.schedule import RateSetter, learning_rate, legacy_learning_rate


def test_the_rate_warms_up_to_the_configured_one_and_ends_at_the_smallest() -> None:
    optimizer, schedule = OptimizerConfig(), ScheduleConfig(epochs=10, warmup_epochs=2)
    rates = [learning_rate(step, 5, optimizer, schedule) for step in range(51)]
    assert rates[0] == pytest.approx(0.001)
    assert max(rates) == rates[9] == optimizer.lr
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[30] == pytest.approx((optimizer.lr + optimizer.min_lr) / 2)
    assert rates[50] == pytest.approx(optimizer.min_lr)


def test_steps_fall_by_a_factor() -> None:
    optimizer, schedule = OptimizerConfig(lr=1.0), ScheduleConfig(name="step", warmup_epochs=1, step_epochs=2)
    rates = [learning_rate(2 * epoch, 2, optimizer, schedule) for epoch in range(1, 6)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_the_references_warm_up_reaches_half_the_rate() -> None:
    rates = [legacy_learning_rate(epoch, OptimizerConfig(), ScheduleConfig()) for epoch in range(100)]
    assert rates[0] == 1e-8
    assert max(rates) == pytest.approx(0.005)
    assert rates[-1] < 2e-5


def plateau(lr: float) -> tuple[torch.optim.SGD, RateSetter, OptimizerConfig]:
    """Return what sets the rate of a run with one epoch of warm-up, two steps each."""
    schedule = ScheduleConfig(name="plateau", warmup_epochs=1, patience=1)
    config = TrainingConfig(modality="rgb", schedule=schedule, optimizer=OptimizerConfig(lr=lr, min_lr=lr / 200))
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    return optimizer, RateSetter(optimizer, config, 2), config.optimizer


def test_a_plateau_makes_the_rate_fall_and_survives_resuming() -> None:
    optimizer, rates, before = plateau(1.0)
    assert [rates.before_step(step) for step in range(4)] == pytest.approx([0.5, 1, 1, 1])
    for epoch in (0, 1, 2):  # the first is of the warm-up, and does not count
        rates.evaluated(epoch, 0.5)
    for lr in (1.0, 0.2):  # the same rate, and another that the run goes on with
        other, resumed, _ = plateau(lr)
        other.load_state_dict(optimizer.state_dict())
        resumed.load_state_dict(rates.state_dict(), before)
        resumed.evaluated(3, 0.5)
        assert resumed.before_step(10) == pytest.approx(0.1 * lr)
        for epoch in range(4, 30):
            resumed.evaluated(epoch, 0.5)
        assert resumed.before_step(60) == pytest.approx(lr / 200)


def test_another_rate_takes_effect_on_resuming() -> None:
    _, rates, before = plateau(1.0)
    for name in ("cosine", "step"):
        config = TrainingConfig(
            modality="rgb", schedule=ScheduleConfig(name=name, warmup_epochs=1), optimizer=OptimizerConfig(lr=0.2)
        )
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        resumed = RateSetter(optimizer, config, 2)
        resumed.load_state_dict(rates.state_dict(), before)
        assert resumed.before_step(2) == optimizer.param_groups[0]["lr"] == pytest.approx(0.2)
