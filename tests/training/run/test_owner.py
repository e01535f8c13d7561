"""A run's folder has one owner: whatever else would write there is refused, and touches nothing."""

import signal
from pathlib import Path

import pytest

from rgbd.locks import locked
from tests.support.commands import assert_refused, run_module
from tests.support.processed import write_clips, write_config
from tests.support.runs import start
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("owner")
    write_clips(folder / "data", clips={"train": 24, "valid": 5})
    return str(write_config(folder / "run.yml", folder / "data", folder / "out", batch_size=4))


def words(config: str, out: Path, *more: str) -> tuple[str, ...]:
    return "--config", config, "--set", f"out={out}", *more


def test_two_runs_do_not_share_a_folder(config: str, tmp_path: Path) -> None:
    endless = ("--set", "schedule.epochs=1000", "--set", "keep.every_steps=1")
    first = start("training.main", *words(config, tmp_path, *endless))
    wait_until((tmp_path / "last.pt").exists, first)
    first.send_signal(signal.SIGSTOP)  # it is there, and takes no time from the others
    settings = (tmp_path / "config.yml").read_bytes()
    for how in ((), ("--overwrite",), ("--resume", "auto")):
        second = run_module("training.main", *words(config, tmp_path, *how))
        assert_refused(second, f"{tmp_path}: process {first.pid} on ", "training.main", "write somewhere else")
    assert (tmp_path / "config.yml").read_bytes() == settings and (tmp_path / "last.pt").exists()
    weights = ("training.import_weights", config, "--config", config, "--out", str(tmp_path / "best.pt"))
    assert_refused(run_module(*weights), f"process {first.pid} on ")
    first.send_signal(signal.SIGCONT)
    first.send_signal(signal.SIGTERM)
    output, _ = first.communicate(timeout=120)
    assert first.returncode == 143 and "stopped, and saved" in output
    assert not (tmp_path / ".lock").exists()


def test_all_processes_of_a_run_are_refused_together(config: str, tmp_path: Path) -> None:
    launch = ("torch.distributed.run", "--standalone", "--nproc_per_node=2", "training/main.py")
    with locked(tmp_path / ".lock", tmp_path):
        result = run_module(*launch, *words(config, tmp_path, "--overwrite"))
    assert result.stderr.count(f"{tmp_path}: process") == 2, result.stderr
    assert result.stderr.count("exitcode  : 2") == 2
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_half_written_is_removed(config: str, tmp_path: Path) -> None:
    (tmp_path / ".last.12345.tmp.pt").write_bytes(b"half of a checkpoint")
    result = run_module("training.main", *words(config, tmp_path, "--set", "schedule.epochs=1"))
    assert result.returncode == 0, result.stderr
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_folder_that_cannot_be_written_is_named(config: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run_module("training.main", *words(config, tmp_path / "file" / "out"))
    assert_refused(result, "out: cannot be written (Not a directory); name another out")
