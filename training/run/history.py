"""What a run's folder tells of its course: history.jsonl, a line an epoch, and TensorBoard's scalars."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from rgbd.files import atomic_file

HISTORY_FILE = "history.jsonl"
TENSORBOARD_FOLDER = "tensorboard"


class History:
    """The epochs of one run; `keep_epochs` of an earlier attempt stay, later ones are done again."""

    def __init__(self, folder: Path, keep_epochs: int) -> None:
        self._path = folder / HISTORY_FILE
        rows = [row for row in read_history(folder) if row["epoch"] <= keep_epochs]
        self.last_epoch = rows[-1]["epoch"] if rows else 0
        with atomic_file(self._path) as temporary:
            temporary.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        self._tensorboard = SummaryWriter(folder / TENSORBOARD_FOLDER, purge_step=self.last_epoch + 1)

    def add(self, epoch: int, train: Mapping[str, float], valid: Mapping[str, float] | None) -> None:
        """Add a finished epoch, which counts from 1; `valid` is None where nothing was evaluated."""
        for half, values in (("train", train), ("valid", valid or {})):
            for name, value in values.items():
                self._tensorboard.add_scalar(f"{half}/{name}", value, epoch)
        self._tensorboard.flush()
        row = {"epoch": epoch, "train": dict(train), "valid": None if valid is None else dict(valid)}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, allow_nan=False) + "\n")  # last: a row that is there is in TensorBoard, too

    def close(self) -> None:
        """Finish TensorBoard's file."""
        self._tensorboard.close()


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Return the epochs of a run, {"epoch", "train", "valid"}; a last line that a crash has cut off is left out.

    Figures that are not finite, which earlier versions wrote, are None.
    """
    path = folder / HISTORY_FILE
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line, parse_constant=lambda _: None))
        except json.JSONDecodeError:
            break
    return rows
