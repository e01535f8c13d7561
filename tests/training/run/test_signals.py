"""What schedulers and terminals send, they send to every process of a run: it saves, and all of its processes end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import run_module
from tests.support.processed import write_clips, write_config, write_toy_config
from tests.support.runs import start
from tests.support.waiting import wait_until
from training.run.checkpoint import load_checkpoint

pytestmark = pytest.mark.slow

ACCUMULATED = {"name": "adamw", "lr": 2.0e-3, "accumulate": 2}
ENDLESS = {"epochs": 100_000, "warmup_epochs": 1, "evaluate_every": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signals")
    write_clips(folder / "data", clips={"train": 24, "valid": 5})
    return folder / "data"


def write_run(data: Path, folder: Path, write: Callable[..., Path] = write_toy_config, **keep: int) -> str:
    """Write the configuration of a run in `folder` with two loader processes, and return its path."""
    loading = {"root": str(data), "num_workers": 2}
    path = write(
        folder / "run.yml",
        data,
        folder / "out",
        **{"data": loading, "optimizer": ACCUMULATED, "schedule": ENDLESS, "batch_size": 4, "keep": keep},
    )
    return str(path)


def processes_of(session: int) -> list[str]:
    """Return the command lines of the session's processes that have not ended."""
    lines = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == session and (line := (folder / "cmdline").read_text()):
                lines.append(line.replace("\0", " "))
        except (ProcessLookupError, FileNotFoundError):
            continue
    return lines


def assert_all_end(session: int) -> None:
    deadline = time.monotonic() + 60
    while left := processes_of(session):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def assert_goes_on(out: Path, *command: str) -> None:
    """Check that the run goes on where it stopped, to the end of that epoch."""
    before = load_checkpoint(out / "last.pt").position
    assert before.step > 0
    result = run_module(*command, "--resume", "auto", "--set", f"schedule.epochs={before.epoch + 1}")
    assert result.returncode == 0, result.stderr
    assert f"going on in epoch {before.epoch + 1}, after step {before.step}" in result.stdout
    after = load_checkpoint(out / "last.pt").position
    assert after.epoch == before.epoch + 1 and after.step > before.step


@pytest.mark.parametrize(
    ("number", "loaders"), [(signal.SIGTERM, "starting"), (signal.SIGTERM, "loading"), (signal.SIGINT, "loading")]
)
def test_a_signal_to_all_processes_loses_nothing(
    data: Path, tmp_path: Path, number: signal.Signals, loaders: str
) -> None:
    out = tmp_path / "out"
    keep = {"every_steps": 1} if loaders == "loading" else {}
    config = write_run(data, tmp_path, **keep)
    process = start("training.main", "--config", config, new_session=True)
    wait_until((out / ("last.pt" if loaders == "loading" else "history.jsonl")).exists, process)
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + number, output
    assert "stopped, and saved" in output and "Traceback" not in output
    assert_all_end(process.pid)
    assert load_checkpoint(out / "last.pt").position.step > 0
    if (number, loaders) == (signal.SIGTERM, "loading"):
        assert_goes_on(out, "training.main", "--config", config)


def test_timeout_sends_its_signal_twice(data: Path, tmp_path: Path) -> None:
    config = write_run(data, tmp_path)
    command = ["timeout", "1000", sys.executable, "-m", "training.main", "--config", config]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    wait_until((tmp_path / "out" / "history.jsonl").exists, process)
    process.terminate()  # it sends this on to the command, and then to its whole group
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 143, output
    assert "stopped, and saved" in output
    assert_all_end(process.pid)


def test_nothing_outlives_a_trainer_that_is_killed(data: Path, tmp_path: Path) -> None:
    process = start("training.main", "--config", write_run(data, tmp_path, every_steps=1), new_session=True)
    wait_until((tmp_path / "out" / "last.pt").exists, process)
    assert len(processes_of(process.pid)) > 3  # the trainer, the fork server, loaders
    process.kill()
    process.communicate(timeout=60)  # until nobody holds its output any more
    assert_all_end(process.pid)


def test_a_signal_to_torchrun_loses_nothing(data: Path, tmp_path: Path) -> None:
    config, out = write_run(data, tmp_path, write_config, every_steps=1), tmp_path / "out"
    launch = ("torch.distributed.run", "--standalone", "--nproc_per_node=2", "training/main.py", "--config", config)
    process = start(*launch, new_session=True)
    wait_until((out / "last.pt").exists, process)  # all processes take steps, and listen to signals
    os.killpg(process.pid, signal.SIGTERM)  # torchrun sends it on to the group of each of its processes
    output, _ = process.communicate(timeout=120)
    assert "stopped, and saved" in output, output
    assert_goes_on(out, *launch, "--set", "data.num_workers=0")
