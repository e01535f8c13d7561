"""A run's files are one state: wherever a run is killed, what goes on afterwards finds or makes them of one kind."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.commands import run_module
from tests.support.processed import write_clips, write_toy_config
from tests.support.runs import start
from tests.support.waiting import wait_until
from training.config.schema import KeepConfig, TrainingConfig
from training.run.checkpoint import Checkpoint, CheckpointError, Position, load_checkpoint, save_checkpoint
from training.run.checkpoint_files import Keeper
from training.run.history import read_history
from training.run.metrics import load_evaluation

EVALUATIONS = 10  # batches of an epoch's: five clips, one at a time, by two networks
KEEP = KeepConfig(keep_last=2, keep_best=2)
TOP1 = [0.2, 0.6, 0.5, 0.6, 0.7]


def tiny(keeper: Keeper, epoch: int) -> Checkpoint:
    """Return the checkpoint of an epoch that has just been trained."""
    return Checkpoint(
        config=TrainingConfig(modality="rgb"),
        class_names=("a", "b"),
        position=Position(epoch=epoch),
        metrics={},
        model={"weight": torch.full((1,), float(epoch))},
        training=keeper.state(),
    )


def evaluate_tiny(keeper: Keeper, epoch: int) -> None:
    digest = f"scores {epoch}"
    keeper.evaluated(epoch, TOP1[epoch - 1], digest)
    checkpoint = tiny(keeper, epoch)
    checkpoint.metrics["top1"] = TOP1[epoch - 1]
    checkpoint.training["scores"] = digest
    keeper.save_evaluated(checkpoint)


def train_tiny(keeper: Keeper, first: int, last: int = len(TOP1)) -> None:
    for epoch in range(first, last + 1):
        keeper.save_trained(tiny(keeper, epoch))
        evaluate_tiny(keeper, epoch)


def go_on(folder: Path) -> tuple[Keeper, Checkpoint]:
    last, keeper = load_checkpoint(folder / "last.pt"), Keeper(folder, KEEP)
    keeper.restore(last.training)
    keeper.reconcile(last, [], may_lose=False)
    return keeper, last


def what_is_in(folder: Path) -> dict[str, Any]:
    """Return of what epoch each file is, or its figures."""
    files = [path for path in folder.iterdir() if path.suffix in (".pt", ".json")]
    return {
        path.name: json.loads(path.read_text()) if path.suffix == ".json" else load_checkpoint(path).position.epoch
        for path in files
    }


class Killed(BaseException):
    """A process ended here."""


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Return a list: after so many files as its only number says have been put in their places, the process ends."""
    left, replace, unlink = [1 << 30], Path.replace, Path.unlink

    def count() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    def counted_replace(self: Path, target: Path) -> Path:
        count()
        return replace(self, target)

    def counted_unlink(self: Path, missing_ok: bool = False) -> None:
        if ".tmp" not in self.name and self.exists():
            count()
        unlink(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "replace", counted_replace)
    monkeypatch.setattr(Path, "unlink", counted_unlink)
    yield left


def test_killed_between_any_two_files_it_ends_with_the_same(tmp_path: Path, kill_at: list[int]) -> None:
    train_tiny(Keeper(tmp_path / "whole", KEEP), 1)
    whole = what_is_in(tmp_path / "whole")
    assert whole["best.pt"] == whole["best.json"]["epoch"] == whole["last.json"]["epoch"] == len(TOP1)
    kills = 0
    for kills in range(1000):
        folder, kill_at[0] = tmp_path / str(kills), kills
        try:
            train_tiny(Keeper(folder, KEEP), 1)
            break
        except Killed:
            kill_at[0] = 1 << 30
        if not (folder / "last.pt").exists():
            continue  # it begins anew
        keeper, last = go_on(folder)
        best = max(keeper.top1, key=lambda epoch: (keeper.top1[epoch], -epoch), default=None)
        found = what_is_in(folder)
        assert found.get("best.pt") == (found["best.json"]["epoch"] if best else None) == best
        assert found.get("last.json", {}).get("epoch") in (None, last.position.epoch, last.position.epoch - 1)
        epoch = last.position.epoch
        if epoch not in keeper.top1:
            evaluate_tiny(keeper, epoch)
        train_tiny(keeper, epoch + 1)
        assert what_is_in(folder) == whole
    assert kills > 5 * len(TOP1)


def test_what_cannot_be_repaired_is_told(tmp_path: Path) -> None:
    train_tiny(Keeper(tmp_path, KEEP), 1, 3)  # the second is the best
    (tmp_path / "best.pt").unlink()
    assert go_on(tmp_path)[0].best_epoch == 2
    assert load_checkpoint(tmp_path / "best.pt").position.epoch == 2  # epoch-002.pt has it
    for name in ("best.pt", "epoch-002.pt"):
        (tmp_path / name).unlink()
    with pytest.raises(CheckpointError, match=r"best\.pt: is missing, .* of epoch 2; put the right file there, or"):
        go_on(tmp_path)
    save_checkpoint(tmp_path / "best.pt", load_checkpoint(tmp_path / "last.pt"))
    with pytest.raises(CheckpointError, match=r"best\.pt: is not the run's best weights, those of epoch 2"):
        go_on(tmp_path)


def test_an_earlier_file_takes_back_what_came_after_it(tmp_path: Path) -> None:
    train_tiny(Keeper(tmp_path, KEEP), 1)
    (tmp_path / "epoch-002.pt").unlink()
    earlier, keeper = load_checkpoint(tmp_path / "epoch-004.pt"), Keeper(tmp_path, KEEP)
    keeper.restore(earlier.training)
    keeper.save(earlier)
    notes = keeper.reconcile(earlier, [], may_lose=True)  # its best was the second
    assert "from here on it is the best from epoch 4 on" in notes[0]
    found = what_is_in(tmp_path)
    assert sorted(found) == ["best.json", "best.pt", "epoch-004.pt", "last.json", "last.pt"]
    assert found["best.pt"] == found["best.json"]["epoch"] == found["last.json"]["epoch"] == 4
    train_tiny(keeper, 5)
    assert what_is_in(tmp_path)["best.pt"] == 5


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    write_clips(folder / "data", clips={"train": 24, "valid": 5})
    return write_toy_config(
        folder / "run.yml",
        folder / "data",
        folder / "out",
        network={"name": "tests.support.slow_evaluation:FAMILY", "channels": 6},
        data={"root": str(folder / "data"), "num_workers": 0, "eval_batch_size": 1},
        optimizer={"name": "adamw", "lr": 2.0e-3, "ema_decay": 0.9},
        schedule={"epochs": 3, "warmup_epochs": 1},
    )


def words(config: Path, out: Path, *more: str) -> list[str]:
    return ["--config", str(config), "--set", f"out={out}", *more]


def is_evaluating(out: Path, epoch: int) -> bool:
    if not (out / "last.pt").exists():
        return False
    last = load_checkpoint(out / "last.pt")
    return last.position == Position(epoch=epoch, step=last.position.step, num_processes=last.position.num_processes)


def assert_same_end(out: Path, whole: Path) -> None:
    for name in ("last.pt", "best.pt"):
        ours, theirs = load_checkpoint(out / name), load_checkpoint(whole / name)
        assert (ours.position, ours.metrics, ours.use_averaged) == (
            theirs.position,
            theirs.metrics,
            theirs.use_averaged,
        )
        assert ours.averaged is not None and theirs.averaged is not None
        for one, other in ((ours.model, theirs.model), (ours.averaged, theirs.averaged)):
            assert all(torch.equal(value, other[key]) for key, value in one.items())
    for name in ("last.json", "best.json"):
        assert (out / name).read_text() == (whole / name).read_text()
    scores, wanted = (load_evaluation(folder / "scores-valid.npz") for folder in (out, whole))
    np.testing.assert_array_equal(scores.answer, wanted.answer)
    rows, wanted_rows = read_history(out), read_history(whole)
    assert [(row["epoch"], row["valid"]) for row in rows] == [(row["epoch"], row["valid"]) for row in wanted_rows]


@pytest.mark.slow
def test_stopped_or_killed_while_it_evaluates_it_has_lost_nothing(config: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert run_module("training.main", *words(config, whole)).returncode == 0
    process = start("training.main", *words(config, out))
    wait_until(lambda: is_evaluating(out, 1), process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate()
    assert process.returncode == 143 and "stopped, and saved" in output, output
    assert "valid, 5 clips" not in output and is_evaluating(out, 1)

    process = start("training.main", *words(config, out, "--resume", "auto"))
    wait_until(lambda: is_evaluating(out, 2), process)
    process.kill()
    output, _ = process.communicate()
    assert output.index("going on in epoch 2") < output.index("valid, 5 clips") < output.index("epoch   2/3")
    assert (out / "previous.pt").exists()

    result = run_module("training.main", *words(config, out, "--resume", "auto"))
    assert result.returncode == 0, result.stderr
    assert_same_end(out, whole)
    assert not (out / "previous.pt").exists()

    (out / "scores-valid.npz").unlink()
    best = load_checkpoint(whole / "best.pt").position.epoch
    result = run_module("training.main", *words(config, out, "--resume", "auto"))
    assert result.returncode == 0, result.stderr
    assert f"scores-valid.npz: was not of epoch {best}" in result.stdout
    assert f"of epoch {best}; weights in" in result.stdout
    assert_same_end(out, whole)


@pytest.mark.slow
def test_all_processes_of_torchrun_stop_while_they_evaluate(config: Path, tmp_path: Path) -> None:
    launch = ["torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "training.main"]
    process = start(*launch, *words(config, tmp_path), new_session=True)
    wait_until(lambda: is_evaluating(tmp_path, 1), process)
    os.killpg(process.pid, signal.SIGTERM)
    output, _ = process.communicate()
    assert output.count("stopped, and saved") == 1 and "valid, 5 clips" not in output, output
    assert is_evaluating(tmp_path, 1)
