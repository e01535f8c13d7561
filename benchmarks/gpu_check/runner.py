"""Sections one after another, each in a process that may crash, hang or run out of memory at no other's cost."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gpu_check.one_section import ROWS_FILE
from benchmarks.gpu_check.rows import Row, failed, skipped
from benchmarks.gpu_check.sections import Section
from rgbd.terminal import say, working

_WORTHWHILE_S = 5  # less is not enough to import torch
_PATIENCE = {"cuda": 1, "cpu": 4}  # limits are those of a GPU; the CPU may be shared with other tests
_ON_CPU = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}  # networks so tiny gain nothing by a second thread


@dataclass(frozen=True)
class Outcome:
    """What a section found, and how long it took."""

    section: str
    seconds: float
    rows: Sequence[Row]

    @property
    def has_failed(self) -> bool:
        """Whether anything in it has."""
        return any(row.status == "failed" for row in self.rows)


def run_sections(sections: Sequence[Section], device: str, budget_s: float) -> list[Outcome]:
    """Return what each section found; those that the budget does not reach are skipped."""
    end, outcomes = time.monotonic() + budget_s, []
    for section in sections:
        left_s = end - time.monotonic()
        if left_s < _WORTHWHILE_S:
            outcomes.append(Outcome(section.name, 0, [skipped("all of it", f"the {budget_s:g} s were used up")]))
            continue
        limit_s = min(_PATIENCE[device] * section.limit_s, left_s)
        with working(f"{section.name}, {limit_s:.0f} s at most"):
            outcomes.append(run_section(section, device, limit_s))
        outcome = outcomes[-1]
        say(f"{section.name}: {'failed' if outcome.has_failed else 'done'} after {outcome.seconds:.0f} s")
    return outcomes


def run_section(section: Section, device: str, limit_s: float) -> Outcome:
    """Return what a section found within so many seconds; a row says so where it did not come to its end."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, start = Path(scratch), time.monotonic()
        log = folder / "log.txt"
        # Engines of these networks are of no use to anybody afterwards.
        environment = os.environ | {"XDG_CACHE_HOME": scratch} | (_ON_CPU if device == "cpu" else {})
        command = [sys.executable, "-m", "benchmarks.gpu_check.one_section", section.module, device, scratch]
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
            )
            try:
                problem = _problem(process.wait(limit_s), log)
            except subprocess.TimeoutExpired:
                problem = f"was ended after {limit_s:.0f} s"
            finally:
                _end_all(process)
        rows = _read(folder / ROWS_FILE)
        if problem or not rows:
            rows.append(failed("to its end", problem or "it found nothing"))
        return Outcome(section.name, time.monotonic() - start, rows)


def _problem(code: int, log: Path) -> str:
    """Return how a process ended badly, and its last line; "" where it did not."""
    if code == 0:
        return ""
    how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"{how}: {last}" if last else how


def _end_all(process: "subprocess.Popen[bytes]") -> None:
    """End a section and all that it started: services, trainings."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(path: Path) -> list[Row]:
    """Return the whole lines of a file of rows, which may have been broken off."""
    if not path.exists():
        return []
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    return [Row(**json.loads(line)) for line in whole.splitlines()]
