"""What a person sees of a training run: a live line on a terminal, one line an epoch everywhere; one process speaks."""

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn


@dataclass
class EpochFigures:
    """Running figures of one epoch."""

    loss: float = 0.0  # summed over clips, as are the next two
    correct: int = 0
    clips: int = 0
    waited_s: float = 0.0
    rate: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    def add(self, *, loss: float, correct: int, clips: int, rate: float, waited_s: float) -> None:
        """Count one step of `clips` clips, which waited `waited_s` seconds for its data."""
        self.loss += loss * clips
        self.correct += correct
        self.clips += clips
        self.waited_s += waited_s
        self.rate = rate

    def __str__(self) -> str:
        seconds = time.perf_counter() - self.started
        clips = max(1, self.clips)
        return (
            f"loss {self.loss / clips:6.3f}  acc {self.correct / clips:5.1%}  lr {self.rate:.1e}  "
            f"{self.clips / seconds:5.1f} clips/s  data wait {self.waited_s / seconds:3.0%}"
        )


class Display:
    """Progress of one run; a silent one belongs to a process that does not speak."""

    def __init__(self, epochs: int, *, silent: bool) -> None:
        self._console = Console(quiet=silent, highlight=False)
        self._epochs = epochs
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=10),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            disable=silent or not self._console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, figures="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, epoch: int, num_steps: int) -> None:
        """Show an empty bar for `epoch`, from 0."""
        self._progress.reset(self._task, total=num_steps, description=f"epoch {epoch + 1}/{self._epochs}", figures="")

    def advance(self, figures: EpochFigures) -> None:
        """Show one more step done."""
        share = f"loss {figures.loss / figures.clips:.2f} acc {figures.correct / figures.clips:.0%}"
        self._progress.update(self._task, advance=1, figures=share)

    def trained(self, epoch: int, figures: EpochFigures) -> None:
        """Print the line of a finished epoch."""
        self._console.print(f"epoch {epoch + 1:>3}/{self._epochs}  {figures}")

    def evaluated(self, metrics: dict[str, float], num_clips: int) -> None:
        """Print every head's accuracy on so many clips."""
        shares = (f"{name.removeprefix('top1_')} {value:5.1%}" for name, value in metrics.items())
        self._console.print(f"  valid, {num_clips} clips  " + "  ".join(shares), soft_wrap=True)

    def say(self, message: str) -> None:
        """Print a line."""
        self._console.print(message, soft_wrap=True)
