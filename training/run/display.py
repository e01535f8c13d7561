"""What a person sees of a training run: a live line on a terminal, plain lines elsewhere, of the main process."""

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from training.run.step import StepFigures

_PLAIN_SECONDS = 60  # between the lines of a long epoch where there is no terminal


@dataclass
class EpochFigures:
    """Running figures of one epoch."""

    sums: StepFigures = field(default_factory=StepFigures)
    waited_s: float = 0.0
    rate: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    def add(self, step: StepFigures, *, rate: float, waited_s: float) -> None:
        """Count one step, which waited `waited_s` seconds for its data."""
        self.sums.loss += step.loss
        for name, term in step.terms.items():
            self.sums.terms[name] = self.sums.terms.get(name, 0.0) + term
        self.sums.correct += step.correct
        self.sums.clips += step.clips
        self.sums.skipped += step.skipped
        self.waited_s += waited_s
        self.rate = rate

    def means(self) -> dict[str, float]:
        """Return the means over the clips of the epoch's steps, if it made any, its speed, and the steps skipped."""
        seconds, sums = time.perf_counter() - self.started, self.sums
        means = {"loss": sums.loss, **{f"loss_{name}": term for name, term in sums.terms.items()}, "top1": sums.correct}
        return {
            **({name: value / sums.clips for name, value in means.items()} if sums.clips else {}),
            "lr": self.rate,
            "clips_per_s": sums.clips / seconds,
            "data_wait": self.waited_s / seconds,
            **({"skipped_steps": sums.skipped} if sums.skipped else {}),
        }

    def __str__(self) -> str:
        means = self.means()
        learnt = f"loss {means['loss']:6.3f}  acc {means['top1']:5.1%}  " if self.sums.clips else ""
        skipped = f"  skipped steps {self.sums.skipped}" if self.sums.skipped else ""
        speed = f"{means['clips_per_s']:5.1f} clips/s  data wait {means['data_wait']:3.0%}"
        return f"{learnt}lr {self.rate:.1e}  {speed}{skipped}"


class Display:
    """Progress of one run; a silent one belongs to a process that does not speak."""

    def __init__(self, epochs: int, *, silent: bool) -> None:
        self._console = Console(quiet=silent, highlight=False, markup=False)
        self._epochs = epochs
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=8),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            disable=silent or not self._console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, figures="")
        self._spoke = time.perf_counter()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, epoch: int, num_batches: int, done: int) -> None:
        """Show a bar for `epoch`, from 0, of which `done` batches are done."""
        name = f"epoch {epoch + 1}/{self._epochs}"
        self._progress.reset(self._task, total=num_batches, completed=done, description=name, figures="")
        self._spoke = time.perf_counter()

    def advance(self, figures: EpochFigures, num_batches: int) -> None:
        """Show some more batches done."""
        means = figures.means()
        learnt = f"loss {means['loss']:.2f} acc {means['top1']:.0%} " if figures.sums.clips else ""
        short = f"{learnt}lr {figures.rate:.0e} {means['clips_per_s']:.1f}/s"
        self._progress.update(self._task, advance=num_batches, figures=f"{short} wait {means['data_wait']:.0%}")
        if not self._console.is_terminal and time.perf_counter() - self._spoke > _PLAIN_SECONDS:
            self._spoke = time.perf_counter()
            task = self._progress.tasks[self._task]
            self._console.print(f"{task.description}  {task.completed:.0f}/{task.total:.0f}  {figures}")

    def trained(self, epoch: int, figures: EpochFigures) -> None:
        """Print the line of a finished epoch, and its loss term by term."""
        self._console.print(f"epoch {epoch + 1:>3}/{self._epochs}  {figures}")
        clips = max(1, figures.sums.clips)
        terms = "  ".join(f"{name} {term / clips:.3f}" for name, term in figures.sums.terms.items())
        if terms:
            self._console.print(f"  loss  {terms}", soft_wrap=True)

    def evaluated(self, metrics: dict[str, float], num_clips: int) -> None:
        """Print the figures of an evaluation of so many clips."""
        shown = {name: value for name, value in metrics.items() if "top1" in name or name in ("top5", "mean_class")}
        shares = (f"{name.removeprefix('top1_')} {value:5.1%}" for name, value in shown.items())
        self._console.print(f"  valid, {num_clips} clips  " + "  ".join(shares), soft_wrap=True)

    def say(self, message: str) -> None:
        """Print a line."""
        self._console.print(message, soft_wrap=True)
