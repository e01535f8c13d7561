"""Figures of training: of a step, and of an epoch as it goes on, over all processes and across stops."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from training.run.distributed import Process, gather


@dataclass
class StepFigures:
    """Sums over the clips of a step: loss, its terms, right answers, and clips; and whether it was skipped.

    Of clips that are mixed of two, no answer is right or wrong: `judged` counts the others.
    """

    loss: float = 0.0
    terms: dict[str, float] = field(default_factory=dict)
    correct: int = 0
    judged: int = 0
    clips: int = 0
    skipped: int = 0  # steps whose gradient fp16 could not hold, so that nothing moved

    def add(self, other: "StepFigures") -> None:
        """Count another step, too."""
        self.loss += other.loss
        for name, term in other.terms.items():
            self.terms[name] = self.terms.get(name, 0.0) + term
        self.correct += other.correct
        self.judged += other.judged
        self.clips += other.clips
        self.skipped += other.skipped


@dataclass
class EpochFigures:
    """Running figures of one epoch: sums over the clips of so many processes, and seconds of each of them."""

    sums: StepFigures = field(default_factory=StepFigures)
    num_processes: int = 1  # whose steps are like this one's; 1 where the sums are over all of them
    clips_before: int = 0  # of the sums, those of all processes before a stop
    waited_s: float = 0.0
    seconds: float = 0.0  # of before a stop
    rate: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    def add(self, step: StepFigures, *, rate: float, waited_s: float) -> None:
        """Count one step, which waited `waited_s` seconds for its data."""
        self.sums.add(step)
        self.waited_s += waited_s
        self.rate = rate

    def over_all(self, process: Process) -> "EpochFigures":
        """Return the figures over all processes, which must all call this."""
        everywhere: list[EpochFigures] = gather(self, process)
        total = EpochFigures(rate=self.rate, seconds=self._elapsed_s())
        for each in everywhere:
            total.sums.add(each.sums)
            total.waited_s += each.waited_s / len(everywhere)
        total.started = time.perf_counter()
        return total

    def state(self) -> dict[str, Any]:
        """Return what an epoch that goes on after a stop needs."""
        return {"sums": vars(self.sums), "waited_s": self.waited_s, "seconds": self._elapsed_s()}

    @classmethod
    def going_on(cls, state: dict[str, Any], process: Process) -> "EpochFigures":
        """Return the figures to go on with: what is done already counts once, in the first process."""
        sums = StepFigures(**state["sums"]) if state and process.is_main else StepFigures()
        times = {name: state[name] for name in ("waited_s", "seconds")} if state else {}
        return cls(sums, process.world_size, sums.clips, **times)

    def _elapsed_s(self) -> float:
        return self.seconds + time.perf_counter() - self.started

    def means(self) -> dict[str, float]:
        """Return the means over the clips of the epoch's steps, if it made any, its speed, and the steps skipped."""
        seconds, sums = self._elapsed_s(), self.sums
        num_clips = self.clips_before + (sums.clips - self.clips_before) * self.num_processes
        means = {"loss": sums.loss, **{f"loss_{name}": term for name, term in sums.terms.items()}}
        return {
            **({name: value / sums.clips for name, value in means.items()} if sums.clips else {}),
            **({"top1": sums.correct / sums.judged} if sums.judged else {}),
            "lr": self.rate,
            "clips_per_s": num_clips / seconds,
            "data_wait": self.waited_s / seconds,
            **({"skipped_steps": sums.skipped} if sums.skipped else {}),
        }

    def __str__(self) -> str:
        means = self.means()
        learnt = "".join(_words(means, (("loss", "loss {:6.3f}  "), ("top1", "acc {:5.1%}  "))))
        skipped = f"  skipped steps {self.sums.skipped}" if self.sums.skipped else ""
        speed = f"{means['clips_per_s']:5.1f} clips/s  data wait {means['data_wait']:3.0%}"
        return f"{learnt}lr {self.rate:.1e}  {speed}{skipped}"

    @property
    def short(self) -> str:
        """In a few words, for a live line."""
        means = self.means()
        learnt = "".join(_words(means, (("loss", "loss {:.2f} "), ("top1", "acc {:.0%} "))))
        return f"{learnt}lr {self.rate:.0e} {means['clips_per_s']:.1f}/s wait {means['data_wait']:.0%}"


def _words(means: dict[str, float], patterns: Iterable[tuple[str, str]]) -> list[str]:
    return [pattern.format(means[name]) for name, pattern in patterns if name in means]
