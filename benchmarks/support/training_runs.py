"""Trainings as a user starts them, one core each, of which what is finished is not done again."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from rgbd.files import atomic_file
from training.config.loading import load_config

_KEPT = ("top1", "averaged_top1", "ece", "mean_class")  # of an evaluation's figures, by their beginning


@dataclass(frozen=True)
class Run:
    """A training: what it is called in the results, of which data set, with which settings beside the recipe's."""

    name: str
    data: Path
    settings: Sequence[str]

    def words(self, recipe: Path, out: Path) -> list[str]:
        """Return the command line of the training."""
        settings = (f"data.root={self.data}", f"out={out}", *self.settings)
        return ["--config", str(recipe), *(word for setting in settings for word in ("--set", setting))]


class Results:
    """A file of figures: a line of JSON for each run, by its name and a digest of all that it was told."""

    def __init__(self, path: Path, recipe: Path) -> None:
        self._path, self._recipe = path, recipe
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self._lines: dict[tuple[str, str], dict[str, Any]] = {}
        for line in map(json.loads, lines):
            self._lines[line["run"], line["recipe"]] = line

    def find(self, run: Run) -> dict[str, Any] | None:
        """Return the figures of a run with the recipe of today, None where it was not done."""
        return self._lines.get((run.name, self._digest(run)))

    def add(self, run: Run, figures: dict[str, Any]) -> dict[str, Any]:
        """Write the figures of a run, and return its line; what there was of an earlier recipe is dropped."""
        line = {"run": run.name, "recipe": self._digest(run), "settings": list(run.settings), **figures}
        self._lines = {key: other for key, other in self._lines.items() if key[0] != run.name}
        self._lines[run.name, line["recipe"]] = line
        with atomic_file(self._path) as temporary:
            rows = (json.dumps(self._lines[key]) + "\n" for key in sorted(self._lines))
            temporary.write_text("".join(rows), encoding="utf-8")
        return line

    def _digest(self, run: Run) -> str:
        config = load_config(self._recipe, [*run.settings, "out=unused"]).model_dump(
            mode="json", exclude={"out", "data"}
        )
        return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]


def train_all(runs: Iterable[Run], recipe: Path, out: Path, results: Results) -> None:
    """Train what is not done yet, as many at a time as there are cores, and write each one's last epoch's figures.

    What was stopped goes on where it was.
    """
    todo = [run for run in runs if results.find(run) is None]

    def train(run: Run) -> None:
        folder, start = out / run.name, time.monotonic()
        run_command("training.main", *run.words(recipe, folder), "--resume", "auto")
        figures = json.loads((folder / "last.json").read_text())
        kept = {name: round(figures[name], 4) for name in figures if name.startswith(_KEPT)}
        results.add(run, {**kept, "minutes": round((time.monotonic() - start) / 60, 1)})

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        console = Console(stderr=True)
        for _ in track(pool.map(train, todo), f"{len(todo)} trainings", len(todo), console=console):
            pass


def in_percent(shares: Sequence[float]) -> str:
    """Return the mean of shares in [0, 1], and where there are several their standard deviation."""
    spread = f" ± {100 * np.std(shares, ddof=1):.1f}" if len(shares) > 1 else ""
    return f"{100 * np.mean(shares):.1f}{spread}"


def run_command(module: str, *words: object) -> None:
    """Run one of our commands on one core, several of which run at a time."""
    command = [sys.executable, "-m", module, *map(str, words)]
    result = subprocess.run(
        command, check=False, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    if result.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{result.stdout}{result.stderr}")
