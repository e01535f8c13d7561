"""Which checkpoint files a run has: last.pt, and what follows from it: best.pt, epoch-NNN.pt if asked for, figures."""

import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rgbd.errors import DatasetError
from rgbd.files import atomic_file
from training.config.schema import KeepConfig
from training.run.checkpoint import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
from training.run.metrics import load_evaluation

SCORES_FILE = "scores-valid.npz"  # of the best epoch
REPORT_FILE = "report.html"  # what training.report makes of a run, unless told otherwise

_EPOCH_FILE = re.compile(r"epoch-(\d{3,})\.pt")


class Keeper:
    """Writes a run's checkpoints. last.pt is written first, and says what the others must be.

    So files that a killed run has left apart are brought together when it goes on: see `reconcile`.
    """

    def __init__(self, folder: Path, config: KeepConfig) -> None:
        self._folder, self._config = folder, config
        self.top1: dict[int, float] = {}  # of evaluated epochs so far, which count from 1
        self._best_scores = ""  # the digest of the best epoch's; earlier versions have none

    @property
    def best_epoch(self) -> int:
        """The first of the best epochs, 0 where none is evaluated."""
        return min(self.top1, key=lambda epoch: (-self.top1[epoch], epoch), default=0)

    def evaluated(self, epoch: int, top1: float, digest: str) -> None:
        """Take notice of an evaluation, and of the digest of its scores."""
        self.top1[epoch] = top1
        if epoch == self.best_epoch:
            self._best_scores = digest

    def state(self) -> dict[str, Any]:
        """Return what checkpoints carry of this."""
        return {"top1": dict(self.top1), "best_scores": self._best_scores}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.top1, self._best_scores = dict(state["top1"]), state.get("best_scores", "")

    def save(self, checkpoint: Checkpoint) -> None:
        """Write last.pt."""
        save_checkpoint(self._folder / "last.pt", checkpoint)

    def save_trained(self, checkpoint: Checkpoint) -> None:
        """Write last.pt before its evaluation, until which the one before it stays, too."""
        if (self._folder / "last.pt").exists():
            _copy(self._folder / "last.pt", self._folder / "previous.pt")
        self.save(checkpoint)

    def take_back(self) -> None:
        """Undo `save_trained`: the scores are not finite."""
        last = self._folder / "last.pt"
        if (self._folder / "previous.pt").exists():
            (self._folder / "previous.pt").replace(last)
        else:
            last.unlink(missing_ok=True)

    def save_evaluated(self, checkpoint: Checkpoint) -> None:
        """Write last.pt after an evaluation, and what follows from it."""
        self.save(checkpoint)
        if checkpoint.position.epoch == self.best_epoch:
            self._place_best(self._folder / "last.pt", checkpoint)
        self._settle(checkpoint)
        self.drop_previous()

    def reconcile(self, last: Checkpoint, others: Iterable[Path], *, may_lose: bool) -> list[str]:
        """Have all files follow from last.pt, whose content is `last`; return what was wrong with them.

        The best weights are looked for in best.pt, last.pt, epoch-NNN.pt and `others`. Where they are in none of them
        and `may_lose`, best.pt is the best epoch's from here on; raises `CheckpointError` else.
        """
        best, notes = self._folder / "best.pt", []
        names = ("best.pt", "last.pt", f"epoch-{self.best_epoch:03d}.pt")
        found = self._find_best([*(self._folder / name for name in names), *others]) if self.top1 else None
        if found is None and (self.top1 or best.exists()):
            wanted = f"the run's best weights, those of epoch {self.best_epoch}" if self.top1 else "of this run"
            problem = f"{best}: {'is not' if best.exists() else 'is missing, and should be'} {wanted}"
            first = last.position.epoch + (not last.metrics)
            if not may_lose:
                raise CheckpointError(
                    f"{problem}; put the right file there, or go on with --resume {self._folder / 'last.pt'}, and "
                    f"best.pt will be the best from epoch {first} on"
                )
            notes.append(f"{problem}: from here on it is the best from epoch {first} on")
            self._forget(last)
        elif found is not None and (found[0] != best or _epoch_of(best.with_suffix(".json")) != self.best_epoch):
            notes += (
                [f"{best}: was not the run's best weights; is a copy of {found[0]} now"] if found[0] != best else []
            )
            self._place_best(*found)
        self._settle(last)
        if last.metrics or last.position.batches:  # else it may still have to be evaluated
            self.drop_previous()
        return notes

    def has_scores(self) -> bool:
        """Whether the scores of the best epoch are there, if one is evaluated; earlier versions' are believed."""
        if not self.top1:
            return True
        try:
            return load_evaluation(self._folder / SCORES_FILE).digest() == self._best_scores or not self._best_scores
        except DatasetError:
            return False

    def drop_previous(self) -> None:
        """Remove what `save_trained` has kept."""
        (self._folder / "previous.pt").unlink(missing_ok=True)

    def _find_best(self, paths: Iterable[Path]) -> tuple[Path, Checkpoint] | None:
        for path in paths:
            try:
                checkpoint = load_checkpoint(path)
            except CheckpointError:
                continue  # missing or damaged
            digest = checkpoint.training.get("scores", "")
            is_best = digest == self._best_scores and checkpoint.position.epoch == self.best_epoch
            if checkpoint.metrics and is_best:
                return path, checkpoint
        return None

    def _forget(self, last: Checkpoint) -> None:
        """Go on as if nothing had been evaluated before `last`."""
        for name in ("best.pt", "best.json", SCORES_FILE, REPORT_FILE):
            (self._folder / name).unlink(missing_ok=True)
        epoch = last.position.epoch
        self.top1 = {epoch: self.top1[epoch]} if last.metrics else {}
        self._best_scores = last.training.get("scores", "")
        if last.metrics:
            self._place_best(self._folder / "last.pt", last)

    def _place_best(self, path: Path, checkpoint: Checkpoint) -> None:
        best = self._folder / "best.pt"
        if path != best:
            (self._folder / REPORT_FILE).unlink(missing_ok=True)  # it is about other weights
            _copy(path, best)
        self._write_figures("best", checkpoint)

    def _settle(self, last: Checkpoint) -> None:
        """Bring last.json and the epochs' files together with last.pt."""
        epoch, evaluated = last.position.epoch, max(self.top1, default=0)
        if last.metrics:
            self._write_figures("last", last)
        elif _epoch_of(self._folder / "last.json") != evaluated:
            (self._folder / "last.json").unlink(missing_ok=True)
        kept = self._epochs_to_keep()
        if last.metrics and epoch in kept:
            _copy(self._folder / "last.pt", self._folder / f"epoch-{epoch:03d}.pt")
        for path in self._folder.glob("epoch-*.pt"):
            match = _EPOCH_FILE.fullmatch(path.name)
            if match and ((number := int(match[1])) > epoch or number in self.top1.keys() - kept):
                path.unlink()

    def _epochs_to_keep(self) -> set[int]:
        kept: set[int] = set()
        if self._config.keep_last > 1:
            kept |= set(sorted(self.top1)[-self._config.keep_last :])
        if self._config.keep_best > 1:
            kept |= set(sorted(self.top1, key=lambda epoch: (-self.top1[epoch], epoch))[: self._config.keep_best])
        return kept

    def _write_figures(self, name: str, checkpoint: Checkpoint) -> None:
        figures = {"epoch": checkpoint.position.epoch, **checkpoint.metrics}
        with atomic_file(self._folder / f"{name}.json") as temporary:
            temporary.write_text(json.dumps(figures, allow_nan=False) + "\n", encoding="utf-8")


def _epoch_of(figures: Path) -> int:
    """Return the epoch that a file of figures is of, 0 where there is none."""
    try:
        return int(json.loads(figures.read_text(encoding="utf-8"))["epoch"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _copy(source: Path, target: Path) -> None:
    with atomic_file(target) as temporary:
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)  # last.pt is replaced, never written into, so that the other name keeps it
        except OSError:  # a file system without links
            shutil.copyfile(source, temporary)
