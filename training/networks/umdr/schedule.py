"""What changes from epoch to epoch: the weight of the distillation; and the learning rate as the reference sets it."""

from training.config.schema import OptimizerConfig, ScheduleConfig
from training.networks.curves import half_cosine

_FIRST_RATE = 1e-6  # of the warm-up; timm 0.6.11 as the reference calls it


def distillation_weight(epoch: int, weight: float, schedule: ScheduleConfig) -> float:
    """Return the weight of the distillation in `epoch`, from 0: none while warming up, and for one epoch more.

    Source: docs/method.md, "The second family".
    """
    return 0.0 if epoch <= schedule.warmup_epochs else weight


def legacy_learning_rate(epoch: int, optimizer: OptimizerConfig, schedule: ScheduleConfig) -> float:
    """Return the reference's rate of a whole epoch, from 0: that of the epoch before, so that two begin at 1e-6.

    The cosine takes no notice of the warm-up, so that its peak lies below `lr`; steps count from the run's beginning,
    and fall below `min_lr`. Source: docs/method.md, "What the second reference does differently".
    """
    time = max(0, epoch - 1)
    if time < schedule.warmup_epochs:
        return _FIRST_RATE + (optimizer.lr - _FIRST_RATE) * time / schedule.warmup_epochs
    if schedule.name == "step":
        return float(optimizer.lr * schedule.factor ** (time // schedule.step_epochs))
    return half_cosine(optimizer.lr, optimizer.min_lr, time / schedule.epochs)
