"""Processes that torchrun starts again go on with the run that they have begun, and with no other."""

from pathlib import Path

import pytest
import torch

from rgbd.errors import UserError
from tests.support.checkpoints import CLASSES, SMALL, write_data
from training.config.schema import TrainingConfig
from training.run.checkpoint import Checkpoint, Position, load_checkpoint, save_checkpoint
from training.run.checkpoint_files import Keeper
from training.run.distributed import Process
from training.run.resume import find_beginning, take_over

ALONE = Process(0, 1, torch.device("cpu"))


@pytest.fixture
def config(tmp_path: Path) -> TrainingConfig:
    data = {"root": write_data(tmp_path / "data")}
    return TrainingConfig.model_validate({**SMALL, "modality": "rgb", "out": tmp_path / "out", "data": data})


@pytest.fixture(autouse=True)
def torchrun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    start_as(monkeypatch, tmp_path, "one")


def start_as(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, agent: str, attempt: int = 0) -> None:
    """Be a process of a certain start of torchrun, in one of its attempts."""
    error_file = tmp_path / "torchelastic" / agent / f"attempt_{attempt}" / "0" / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(error_file))


def save(config: TrainingConfig, run: str, epoch: int) -> None:
    checkpoint = Checkpoint(
        config=config,
        class_names=CLASSES,
        position=Position(epoch=epoch, step=epoch),
        metrics={},
        model={"weight": torch.zeros(1)},
        training={**Keeper(config.out, config.keep).state(), "run": run},
    )
    save_checkpoint(config.out / "last.pt", checkpoint)


def begin(config: TrainingConfig, resume: str | None = None, *, overwrite: bool = False) -> tuple[str, int | None]:
    """Begin a run as the command does; returns its identity, and the epochs that it goes on after."""
    beginning = find_beginning(config, resume, overwrite=overwrite, process=ALONE)
    keeper = Keeper(config.out, config.keep)
    if beginning.checkpoint is not None:
        keeper.restore(beginning.checkpoint.training)
    take_over(config, beginning, keeper)
    return beginning.launch.run, None if beginning.checkpoint is None else beginning.checkpoint.position.epoch


def test_a_run_that_was_refused_is_not_gone_on_with_at_the_restart(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    save(config, begin(config)[0], epoch=2)
    start_as(monkeypatch, tmp_path, "another")
    for attempt in range(2):
        start_as(monkeypatch, tmp_path, "another", attempt)
        with pytest.raises(UserError, match="holds a run"):
            begin(config)


def test_a_restart_goes_on_with_its_own_run(
    config: TrainingConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run, epoch = begin(config)
    assert epoch is None
    start_as(monkeypatch, tmp_path, "one", attempt=1)
    again, epoch = begin(config)  # nothing was saved: it begins anew
    assert epoch is None
    save(config, again, epoch=3)
    assert begin(config) == (again, 3)
    assert begin(config, overwrite=True) == (again, 3)
    assert run != again


def test_a_restart_does_not_go_on_with_what_was_to_be_overwritten(config: TrainingConfig) -> None:
    save(config, "old", epoch=5)
    last = (config.out / "last.pt").read_bytes()
    (config.out / "report.html").write_text("of the old run")
    _, epoch = begin(config, overwrite=True)
    assert epoch is None and not (config.out / "last.pt").exists() and not (config.out / "report.html").exists()
    (config.out / "last.pt").write_bytes(last)  # as if it had been killed before it came to that
    assert begin(config, overwrite=True)[1] is None
    assert not (config.out / "last.pt").exists()


def test_a_restart_goes_on_with_what_came_of_the_file_that_it_began_with(config: TrainingConfig) -> None:
    save(config, "old", epoch=2)
    file = config.out / "epoch-002.pt"
    (config.out / "last.pt").rename(file)
    save(config, "old", epoch=5)
    run, epoch = begin(config, str(file))
    assert (epoch, load_checkpoint(config.out / "last.pt").position.epoch) == (2, 2)
    save(config, run, epoch=4)
    assert begin(config, str(file)) == (run, 4)


def test_a_run_keeps_its_identity(config: TrainingConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run, _ = begin(config)
    save(config, run, epoch=1)
    start_as(monkeypatch, tmp_path, "another")
    assert begin(config, "auto") == (run, 1)
    monkeypatch.delenv("TORCHELASTIC_ERROR_FILE")
    assert begin(config, "auto") == (run, 1)
    assert not (config.out / "launch.json").exists()
    with pytest.raises(UserError, match="holds a run"):
        begin(config)
