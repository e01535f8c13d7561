"""How the learning rate changes."""

import pytest
import torch

from training.config.schema import OptimizerConfig, ScheduleConfig, TrainingConfig
from training.networks.dsn.schedule import legacy_learning_rate
from training.run.schedule import RateSetter, Span, learning_rate


def step(number: int, steps_per_epoch: int) -> Span:
    """Return what part of a run its step `number` is, from 0."""
    return Span(number / steps_per_epoch, (number + 1) / steps_per_epoch)


def test_the_rate_warms_up_to_the_configured_one_and_ends_at_the_smallest() -> None:
    optimizer, schedule = OptimizerConfig(), ScheduleConfig(epochs=10, warmup_epochs=2)
    rates = [learning_rate(step(number, 5), optimizer, schedule) for number in range(51)]
    assert rates[0] == pytest.approx(0.001)
    assert max(rates) == rates[9] == optimizer.lr
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[30] == pytest.approx((optimizer.lr + optimizer.min_lr) / 2)
    assert rates[50] == pytest.approx(optimizer.min_lr)


def test_steps_fall_by_a_factor() -> None:
    optimizer, schedule = OptimizerConfig(lr=1.0), ScheduleConfig(name="step", warmup_epochs=1, step_epochs=2)
    rates = [learning_rate(step(2 * epoch, 2), optimizer, schedule) for epoch in range(1, 6)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01])


@pytest.mark.parametrize(
    ("is_fusion", "first"),
    [(False, [1e-8, 1e-8, 0.005, 0.005]), (True, [1e-8, 1e-8, 0.005, 0.01, 0.01])],
    ids=["a stream reaches half the rate", "the fusion all of it"],
)
def test_the_references_warm_up(is_fusion: bool, first: list[float]) -> None:
    optimizer, schedule = OptimizerConfig(), ScheduleConfig()
    rates = [legacy_learning_rate(epoch, optimizer, schedule, is_fusion=is_fusion) for epoch in range(100)]
    assert rates[: len(first)] == pytest.approx(first, rel=1e-5)
    assert max(rates) == pytest.approx(first[-1])
    assert rates[4:] == sorted(rates[4:], reverse=True) and rates[-1] < 3e-5


def plateau(lr: float) -> tuple[torch.optim.SGD, RateSetter, OptimizerConfig]:
    """Return what sets the rate of a run with one epoch of warm-up, two steps each."""
    schedule = ScheduleConfig(name="plateau", warmup_epochs=1, patience=1)
    config = TrainingConfig(modality="rgb", schedule=schedule, optimizer=OptimizerConfig(lr=lr, min_lr=lr / 200))
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    return optimizer, RateSetter(optimizer, config), config.optimizer


def test_a_plateau_makes_the_rate_fall_and_survives_resuming() -> None:
    optimizer, rates, before = plateau(1.0)
    assert [rates.before_step(step(number, 2)) for number in range(4)] == pytest.approx([0.5, 1, 1, 1])
    for epoch in (0, 1, 2):  # the first is of the warm-up, and does not count
        rates.evaluated(epoch, 0.5)
    for lr in (1.0, 0.2):  # the same rate, and another that the run goes on with
        other, resumed, _ = plateau(lr)
        other.load_state_dict(optimizer.state_dict())
        resumed.load_state_dict(rates.state_dict(), before)
        resumed.evaluated(3, 0.5)
        assert resumed.before_step(step(10, 2)) == pytest.approx(0.1 * lr)
        for epoch in range(4, 30):
            resumed.evaluated(epoch, 0.5)
        assert resumed.before_step(step(60, 2)) == pytest.approx(lr / 200)


def test_another_rate_takes_effect_on_resuming() -> None:
    _, rates, before = plateau(1.0)
    for name in ("cosine", "step"):
        config = TrainingConfig(
            modality="rgb", schedule=ScheduleConfig(name=name, warmup_epochs=1), optimizer=OptimizerConfig(lr=0.2)
        )
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        resumed = RateSetter(optimizer, config)
        resumed.load_state_dict(rates.state_dict(), before)
        assert resumed.before_step(step(2, 2)) == optimizer.param_groups[0]["lr"] == pytest.approx(0.2)


@pytest.mark.parametrize("name", ["cosine", "step", "plateau"])
@pytest.mark.parametrize(("before", "after"), [(8, 4), (4, 8), (2, 6)])
def test_rates_are_those_of_the_epoch_however_many_steps_it_has(name: str, before: int, after: int) -> None:
    """`before` and `after` are steps of an epoch: another number of processes shares its clips from the fifth on."""
    schedule = ScheduleConfig.model_validate({"name": name, "epochs": 10, "warmup_epochs": 2, "step_epochs": 2})
    schedule = schedule.model_copy(update={"patience": 0})
    config = TrainingConfig(modality="rgb", schedule=schedule)

    def rates(steps: dict[int, int]) -> dict[float, float]:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=config.optimizer.lr)
        setter, ends = RateSetter(optimizer, config), {}
        for epoch in range(10):
            for number in range(steps[epoch]):
                span = Span(epoch + number / steps[epoch], epoch + (number + 1) / steps[epoch])
                ends[span.end if epoch < 2 else span.start] = setter.before_step(span)
            setter.evaluated(epoch, 0.5)
            if epoch == 4:
                resumed = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=config.optimizer.lr)
                resumed.load_state_dict(optimizer.state_dict())
                optimizer, state, setter = resumed, setter.state_dict(), RateSetter(resumed, config)
                setter.load_state_dict(state, config.optimizer)
        return ends

    undisturbed = rates(dict.fromkeys(range(10), before))
    changed = rates({epoch: before if epoch < 5 else after for epoch in range(10)})
    common = undisturbed.keys() & changed.keys()
    assert len(common) == 5 * before + 5 * min(before, after) - 1  # the warm-up ends where the fall begins
    assert [changed[place] for place in common] == pytest.approx([undisturbed[place] for place in common])
    assert min(changed.values()) < 0.1 * max(changed.values())
