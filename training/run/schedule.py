"""How the learning rate changes while training."""

import math
from typing import NamedTuple

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from training.config.schema import OptimizerConfig, ScheduleConfig, TrainingConfig
from training.networks.curves import half_cosine
from training.networks.family import family_of

_PLATEAU_COOLDOWN = 3  # evaluations after a fall of the rate that do not count; as the reference has it
_PLATEAU_STATE = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")  # all else of it are settings


class Span(NamedTuple):
    """What part of the run a step is: from where to where, in epochs since the run's beginning.

    Rates follow from this and not from counts of steps, so that they are the same however many processes share an
    epoch's clips, and whenever their number changed.
    """

    start: float
    end: float

    @classmethod
    def of_step(cls, epoch: int, done: int, size: int, num_batches: int) -> "Span":
        """Return what part the step of `size` batches is, in an epoch of `num_batches`, from 0, of which `done` are."""
        whole = math.ceil(num_batches / size) * size  # as if the epoch's last step had all of its batches
        return cls(*(epoch + min(1.0, batches / whole) for batches in (done, done + size)))


def learning_rate(span: Span, optimizer: OptimizerConfig, schedule: ScheduleConfig) -> float:
    """Return the rate of the step that is `span`: linear warm-up to `lr`, then what the schedule's name says.

    "cosine" falls along half a cosine to `min_lr`; "step" falls by `factor` every `step_epochs`; "plateau" stays at
    `lr`, and `RateSetter` makes it fall. Source: docs/method.md, "Optimizer and learning rate".
    """
    warmup = schedule.warmup_epochs
    if span.start < warmup:
        return optimizer.lr * min(1.0, span.end / warmup)
    if schedule.name == "step":
        falls = int(span.start - warmup) // schedule.step_epochs
        return max(optimizer.min_lr, optimizer.lr * schedule.factor**falls)
    if schedule.name == "plateau":
        return optimizer.lr
    rest = max(1, schedule.epochs - warmup)
    return half_cosine(optimizer.lr, optimizer.min_lr, (span.start - warmup) / rest)


class RateSetter:
    """Sets the optimizer's learning rate before every step, and lets it fall where a metric has stopped to rise."""

    def __init__(self, optimizer: Optimizer, config: TrainingConfig) -> None:
        self._optimizer, self._config = optimizer, config
        self._plateau: ReduceLROnPlateau | None = None
        if config.schedule.name == "plateau":
            self._plateau = ReduceLROnPlateau(
                optimizer,
                mode="max",
                factor=config.schedule.factor,
                patience=config.schedule.patience,
                cooldown=_PLATEAU_COOLDOWN,
                min_lr=config.optimizer.min_lr,
            )

    def before_step(self, span: Span) -> float:
        """Set and return the rate of the step that is `span`."""
        schedule = self._config.schedule
        if self._plateau is not None and span.start > schedule.warmup_epochs:
            return float(self._optimizer.param_groups[0]["lr"])
        if self._config.legacy.warmup:
            rate = family_of(self._config).legacy_rate(self._config, epoch=int(span.start))
        else:
            rate = learning_rate(span, self._config.optimizer, schedule)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        return rate

    def evaluated(self, epoch: int, top1: float) -> None:
        """Take notice of the evaluation after `epoch`, from 0."""
        if self._plateau is not None and epoch >= self._config.schedule.warmup_epochs:
            self._plateau.step(top1)

    def state_dict(self) -> dict[str, object]:
        """Return what a resumed run needs; the rate itself is in the optimizer's state."""
        return {} if self._plateau is None else self._plateau.state_dict()

    def load_state_dict(self, state: dict[str, object], before: OptimizerConfig) -> None:
        """Go on where `state_dict` was taken, under the settings `before`; a rate that fell, fell from today's `lr`."""
        if self._plateau is not None:
            self._plateau.load_state_dict({name: state[name] for name in _PLATEAU_STATE})
            for group in self._optimizer.param_groups:
                group["lr"] *= self._config.optimizer.lr / before.lr
