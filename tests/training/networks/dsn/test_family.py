"""What the family adds to training: what changes with the epoch, and a figure of its own."""

import pytest
import torch

from training.networks.dsn.config import ScheduleConfig
from training.networks.dsn.family import FAMILY
from training.networks.dsn.schedule import distillation_weight, tau


def own_figures(label: int, **heads: list[float]) -> dict[str, float]:
    scores = {"logits" + name.removeprefix("fused"): torch.tensor([row]) for name, row in heads.items()}
    return FAMILY.own_figures(scores, torch.tensor([label]))


def test_a_run_shorter_than_the_temperature_schedule_works() -> None:
    schedule = ScheduleConfig(epochs=5)
    assert tau(0, schedule) == 0.04
    assert tau(29, schedule) == pytest.approx(0.07)
    assert tau(1000, schedule) == pytest.approx(0.07)


def test_distillation_waits_for_the_end_of_the_warm_up() -> None:
    assert [distillation_weight(epoch, 1.0, ScheduleConfig()) for epoch in (0, 2, 3)] == [0.0, 0.0, 1.0]


def test_the_references_own_figure_is_the_best_of_its_mixed_heads() -> None:
    right, wrong = [1.0, 0.0], [0.0, 3.0]
    assert own_figures(0, fused=wrong, _small=wrong, _medium=wrong, _large=right) == {"legacy_max": 1.0}
    assert own_figures(0, fused=right, _small=wrong, _medium=wrong, _large=wrong) == {"legacy_max": 0.0}


def test_the_references_own_figure_of_a_fusion_is_the_best_of_three_sums() -> None:
    right, wrong = [1.0, 0.0], [0.0, 3.0]
    assert own_figures(0, fused=wrong, _rgb=[4.0, 0.0], _depth=wrong) == {"legacy_max": 1.0}, "of both streams"
    assert own_figures(0, fused=[9.0, 0.0], _rgb=wrong, _depth=wrong) == {"legacy_max": 1.0}
    assert own_figures(0, fused=[0.0, 1.0], _rgb=right, _depth=wrong) == {"legacy_max": 0.0}
