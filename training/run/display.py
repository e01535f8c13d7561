"""What a person sees of a training run: a live line on a terminal, plain lines elsewhere, of the main process."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from training.run.figures import EpochFigures

_PLAIN_SECONDS = 60  # between the lines of a long epoch where there is no terminal


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
        self._progress.update(self._task, advance=num_batches, figures=figures.short)
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
