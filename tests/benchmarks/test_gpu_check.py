"""The check for a GPU: on the CPU, whole; and what it does with sections that crash, hang or find something wrong."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.gpu_check import __main__ as command
from benchmarks.gpu_check.rows import compared
from benchmarks.gpu_check.runner import Outcome, run_section, run_sections
from benchmarks.gpu_check.sections import SECTIONS, Section, chosen
from rgbd.errors import UserError

ROOT = Path(__file__).parents[2]
GOOD = "yield measured('speed', 3.5, 'clips/s')"

MakeSection = Callable[[str, str], Section]


@pytest.fixture
def section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeSection:
    """Write a section with these lines in its `check`."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")

    def write(name: str, *lines: str) -> Section:
        head = ["import os, time", "from benchmarks.gpu_check.rows import *", "def check(device, folder):"]
        (tmp_path / f"{name}.py").write_text("\n    ".join(["\n".join(head), *lines]))
        return Section(name, name, limit_s=60)

    return write


def only(outcome: Outcome) -> tuple[str, str]:
    """Return what the last row says, after one that passed."""
    first, last = outcome.rows
    assert (first.what, first.status, first.value) == ("speed", "passed", 3.5)
    return last.status, last.reason


def test_a_crash_costs_no_row_that_was_known_and_no_other_section(section: MakeSection) -> None:
    crashing, fine = section("crashing", GOOD, "os.abort()"), section("fine", GOOD)
    crashed, after = run_sections([crashing, fine], "cpu", 100)
    assert only(crashed) == ("failed", "ended by SIGABRT")
    assert [row.status for row in after.rows] == ["passed"]


def test_an_exception_is_named(section: MakeSection) -> None:
    outcome = run_section(section("wrong", GOOD, "raise ValueError('no such layer')"), "cpu", 60)
    assert only(outcome) == ("failed", "ended with 1: ValueError: no such layer")


def test_a_section_that_hangs_is_ended_with_all_that_it_started(section: MakeSection, tmp_path: Path) -> None:
    started = tmp_path / "pid"
    script = f"import os, time; open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    lines = ("import subprocess, sys", f"subprocess.run([sys.executable, '-c', {script!r}])")
    outcome = run_section(section("hanging", GOOD, *lines), "cpu", 4)
    assert only(outcome) == ("failed", "was ended after 4 s")
    process = Path(f"/proc/{started.read_text()}/stat")
    deadline = time.monotonic() + 30
    while process.exists() and process.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline, "what the section started still runs"
        time.sleep(0.05)


def test_what_needs_a_package_that_is_not_there_is_skipped(section: MakeSection) -> None:
    outcome = run_section(section("poor", GOOD, "import no_such_package.inner"), "cpu", 60)
    assert only(outcome) == ("skipped", "no_such_package is not installed")


def test_a_section_that_finds_nothing_has_failed(section: MakeSection) -> None:
    outcome = run_section(section("empty", "yield from ()"), "cpu", 60)
    assert outcome.has_failed


def test_what_the_budget_does_not_reach_is_skipped(section: MakeSection) -> None:
    (late,) = run_sections([section("late", GOOD)], "cpu", 2)
    assert [(row.status, row.reason) for row in late.rows] == [("skipped", "the 2 s were used up")]


def test_sections_are_chosen_by_name_and_in_order() -> None:
    assert [each.name for each in chosen("resume, ddp,resume")] == ["resume", "ddp"]
    with pytest.raises(UserError, match="--sections drawing: give some of goldens, numbers"):
        chosen("ddp,drawing")


def test_limits_fit_into_eight_minutes_but_for_what_comes_last() -> None:
    *others, _ = [each.limit_s for each in SECTIONS.values()]
    assert sum(others) <= 480


@pytest.mark.parametrize(
    ("line", "code"), [(GOOD, 0), ("yield skipped('all', 'no GPU')", 0), ("yield failed('a', 'b')", 1)]
)
def test_the_exit_code_is_0_where_nothing_failed(
    section: MakeSection, monkeypatch: pytest.MonkeyPatch, line: str, code: int
) -> None:
    monkeypatch.setitem(SECTIONS, "mine", section("mine", line))
    monkeypatch.setattr(sys, "argv", ["gpu_check", "--device", "cpu", "--sections", "mine"])
    assert command.main() == code


def test_what_is_no_number_is_above_every_limit() -> None:
    assert compared("loss", 0.5, 0.5).status == "passed"
    assert compared("loss", 0.6, 0.5).reason == "0.6 is above 0.5"
    row = compared("loss", float("nan"), 0.5)
    assert (row.status, row.value) == ("failed", None)


@pytest.mark.slow
def test_on_the_cpu_all_sections_run(tmp_path: Path) -> None:
    """As `make gpu-check DEVICE=cpu`, with more time: other tests take the cores meanwhile."""
    file = tmp_path / "found.json"
    words = ["--device", "cpu", "--budget-s", "1500", "--json", str(file)]
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu_check", *words], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 80
    sections = json.loads(file.read_text())["sections"]
    assert [each["section"] for each in sections] == list(SECTIONS)
    for each in sections:
        statuses = {row["status"] for row in each["rows"]}
        assert statuses <= {"passed", "skipped"}
        assert "passed" in statuses or each["section"] == "compiled"  # a GPU's alone
        assert all(row["reason"] for row in each["rows"] if row["status"] == "skipped")


def test_make_gpu_check_is_for_a_gpu_unless_it_is_told_otherwise() -> None:
    for words, device in (((), "cuda"), (("DEVICE=cpu",), "cpu")):
        command = ["make", "--no-print-directory", "-n", "gpu-check", "PYTHON=python", *words]
        shown = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
        assert shown == f"python -m benchmarks.gpu_check --device {device} --json gpu-check.json\n"
