"""What changes from step to step and from epoch to epoch."""

import pytest

from training.config import OptimizerConfig, ScheduleConfig
from training.schedule import distillation_weight, learning_rate, tau


def test_the_rate_warms_up_to_the_configured_one_and_ends_at_the_smallest() -> None:
    optimizer, schedule = OptimizerConfig(), ScheduleConfig(epochs=10, warmup_epochs=2)
    rates = [learning_rate(step, 5, optimizer, schedule) for step in range(51)]
    assert rates[0] == pytest.approx(0.001)
    assert max(rates) == rates[9] == optimizer.lr
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[30] == pytest.approx((optimizer.lr + optimizer.min_lr) / 2)
    assert rates[50] == pytest.approx(optimizer.min_lr)


def test_a_run_shorter_than_the_temperature_schedule_works() -> None:
    schedule = ScheduleConfig(epochs=5)
    assert tau(0, schedule) == 0.04
    assert tau(29, schedule) == pytest.approx(0.07)
    assert tau(1000, schedule) == pytest.approx(0.07)


def test_distillation_waits_for_the_end_of_the_warm_up() -> None:
    assert [distillation_weight(epoch, 1.0, ScheduleConfig()) for epoch in (0, 2, 3)] == [0.0, 0.0, 1.0]
