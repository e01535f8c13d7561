"""A run's folder: who owns it, and which checkpoint files it has: last.pt, best.pt, and epoch-NNN.pt if asked for."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rgbd.errors import UserError, reason_of
from rgbd.files import atomic_file, remove_leftovers
from rgbd.locks import LOCK_FILE, locked
from training.config.schema import KeepConfig
from training.run.checkpoint import Checkpoint, save_checkpoint
from training.run.distributed import Process, gather
from training.run.history import HISTORY_FILE, TENSORBOARD_FOLDER

CONFIG_FILE = "config.yml"

_RUN_FILES = re.compile(
    r"(last|best)\.(pt|json)|epoch-\d{3,}\.pt|(scores|metrics)-(train|valid|test)\.(npz|json)|"
    rf"{re.escape(HISTORY_FILE)}|{TENSORBOARD_FOLDER}"
)


class Keeper:
    """Writes a run's checkpoints; `top1` are the accuracies of evaluated epochs so far, which count from 1."""

    def __init__(self, folder: Path, config: KeepConfig, top1: dict[int, float]) -> None:
        self._folder, self._config, self.top1 = folder, config, top1

    def is_best(self, epoch: int) -> bool:
        """Whether no evaluated epoch before was as good."""
        return all(self.top1[epoch] > top1 for other, top1 in self.top1.items() if other < epoch)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write last.pt."""
        save_checkpoint(self._folder / "last.pt", checkpoint)

    def save_evaluated(self, checkpoint: Checkpoint) -> None:
        """Write last.pt after an evaluation, best.pt if it is, and remove what is not to be kept any more."""
        self.save(checkpoint)
        epoch = checkpoint.position.epoch
        names = ["last"]
        if self.is_best(epoch):
            _copy(self._folder / "last.pt", self._folder / "best.pt")
            names.append("best")
        for name in names:
            with atomic_file(self._folder / f"{name}.json") as temporary:
                figures = {"epoch": epoch, **checkpoint.metrics}
                temporary.write_text(json.dumps(figures, allow_nan=False) + "\n", encoding="utf-8")
        kept = self._epochs_to_keep()
        if epoch in kept:
            _copy(self._folder / "last.pt", self._path(epoch))
        for other in self.top1.keys() - kept:
            self._path(other).unlink(missing_ok=True)

    def _epochs_to_keep(self) -> set[int]:
        kept: set[int] = set()
        if self._config.keep_last > 1:
            kept |= set(sorted(self.top1)[-self._config.keep_last :])
        if self._config.keep_best > 1:
            kept |= set(sorted(self.top1, key=lambda epoch: (-self.top1[epoch], epoch))[: self._config.keep_best])
        return kept

    def _path(self, epoch: int) -> Path:
        return self._folder / f"epoch-{epoch:03d}.pt"


@contextmanager
def owned(folder: Path, process: Process) -> Iterator[None]:
    """Own a run's folder for the length of the block; what killed runs have left half-written in it is removed.

    Raises `UserError`, the same one in every process, where another run owns it or it cannot be written.
    """
    with ExitStack() as stack:
        problem = ""
        if process.is_main:
            try:
                stack.enter_context(locked(folder / LOCK_FILE, folder))
                remove_leftovers(folder, _RUN_FILES)
            except UserError as error:
                problem = str(error)
            except OSError as error:
                problem = f"{folder}: cannot be written ({reason_of(error)}); name another out"
        if problem := "".join(gather(problem, process)):
            raise UserError(problem)
        yield


def run_files(folder: Path) -> list[Path]:
    """Return what a run has left in its folder, its configuration apart."""
    return [path for path in sorted(folder.glob("*")) if _RUN_FILES.fullmatch(path.name)]


def remove_run(folder: Path) -> None:
    """Remove what an earlier run has left in its folder, so that nobody takes it for the next one's."""
    for path in run_files(folder):
        if path.name != TENSORBOARD_FOLDER:
            path.unlink()
    for path in (folder / TENSORBOARD_FOLDER).glob("events.out.tfevents.*"):
        path.unlink()


def _copy(source: Path, target: Path) -> None:
    with atomic_file(target) as temporary:
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)  # last.pt is replaced, never written into, so that the other name keeps it
        except OSError:  # a file system without links
            shutil.copyfile(source, temporary)
