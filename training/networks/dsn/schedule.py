"""What changes from epoch to epoch: the temperature of the heads, and the weight of the distillation."""

from training.networks.dsn.config import ScheduleConfig


def tau(epoch: int, schedule: ScheduleConfig) -> float:
    """Return the heads' temperature in `epoch`, from 0: linear, then constant.

    Source: docs/method.md, "What changes with the epoch".
    """
    first, last = schedule.tau
    progress = min(1.0, epoch / max(1, schedule.tau_epochs - 1))
    return first + (last - first) * progress


def distillation_weight(epoch: int, weight: float, schedule: ScheduleConfig) -> float:
    """Return the weight of the distillation in `epoch`: 0 while warming up.

    Source: docs/method.md, "What changes with the epoch".
    """
    return 0.0 if epoch < schedule.warmup_epochs else weight
