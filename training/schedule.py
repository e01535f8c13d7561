"""What changes while training: learning rate, temperature of the heads, weight of the distillation."""

import math

from training.config import OptimizerConfig, ScheduleConfig


def learning_rate(step: int, steps_per_epoch: int, optimizer: OptimizerConfig, schedule: ScheduleConfig) -> float:
    """Return the rate of optimizer step `step`, from 0: linear warm-up to `lr`, then a half cosine to `min_lr`.

    Source: REFERENCE.md section 6, with its row 4 of section 8 mended: the warm-up goes step by step and reaches `lr`.
    """
    warmup = schedule.warmup_epochs * steps_per_epoch
    if step < warmup:
        return optimizer.lr * (step + 1) / warmup
    rest = max(1, schedule.epochs * steps_per_epoch - warmup)
    progress = min(1.0, (step - warmup) / rest)
    return optimizer.min_lr + (optimizer.lr - optimizer.min_lr) * 0.5 * (1 + math.cos(math.pi * progress))


def tau(epoch: int, schedule: ScheduleConfig) -> float:
    """Return the heads' temperature in `epoch`, from 0. Source: REFERENCE.md section 4: linear, then constant."""
    first, last = schedule.tau
    progress = min(1.0, epoch / max(1, schedule.tau_epochs - 1))
    return first + (last - first) * progress


def distillation_weight(epoch: int, weight: float, schedule: ScheduleConfig) -> float:
    """Return the weight of the distillation in `epoch`: 0 while warming up. Source: REFERENCE.md section 4."""
    return 0.0 if epoch < schedule.warmup_epochs else weight
