"""What changes from epoch to epoch: the temperature of the heads, the weight of the distillation, and legacy rates."""

from training.config import schema
from training.config.schema import OptimizerConfig
from training.networks.curves import half_cosine
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


def legacy_learning_rate(
    epoch: int, optimizer: OptimizerConfig, schedule: schema.ScheduleConfig, *, is_fusion: bool
) -> float:
    """Return the reference's rate of a whole epoch, from 0: that of the epoch before, so that two begin at 1e-8.

    Of one stream the last step of the warm-up is skipped, and the cosine starts from the rate before: half of `lr`
    where three epochs warm up. The fusion reaches `lr`.
    Source: docs/method.md, "What the reference does differently", row 4.
    """
    step, steps = max(0, epoch - 1), schedule.warmup_epochs - 1
    if steps < 1:
        return half_cosine(optimizer.lr, optimizer.min_lr, step / schedule.epochs)
    last = steps if is_fusion else steps - 1
    if step <= last:
        return 1e-8 + (optimizer.lr - 1e-8) * step / steps
    highest = 1e-8 + (optimizer.lr - 1e-8) * last / steps
    return half_cosine(highest, optimizer.min_lr, (step - last - 1) / max(1, schedule.epochs - schedule.warmup_epochs))
