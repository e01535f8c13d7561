"""Runs that are killed, stopped, or out of room go on and end as if nothing had happened."""

import os
import resource
import signal
from pathlib import Path

import pytest
import torch

from tests.support.checkpoints import rename_to_type
from tests.support.commands import assert_refused, run_module
from tests.support.processed import write_clips, write_config, write_toy_config
from tests.support.runs import start, steps_done
from tests.support.waiting import wait_until
from tests.support.warm import TalkingProcess
from training.run.checkpoint import Checkpoint, load_checkpoint
from training.run.history import read_history

pytestmark = pytest.mark.slow

# Everything that has a state, and everything that is random.
SETTINGS = ("keep.every_steps=1", "optimizer.ema_decay=0.9", "augment.mixup=0.5", "optimizer.accumulate=2")
SETTINGS += ("schedule.evaluate_every=1", "batch_size=4")
STEPS = 3  # of an epoch: 24 clips in batches of 4, two of which make a step
EPOCHS = 8  # of the toy network, whose steps take so little that a run must have many to be stopped among them


def words(config: Path, out: Path, *more: str) -> list[str]:
    overrides = [word for setting in (*SETTINGS, f"out={out}") for word in ("--set", setting)]
    return ["--config", str(config), *overrides, *more]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration of a toy network, and its data."""
    folder = tmp_path_factory.mktemp("resume")
    write_clips(folder / "data", clips={"train": 24, "valid": 5})
    schedule = {"epochs": EPOCHS, "warmup_epochs": 1}
    return write_toy_config(folder / "run.yml", folder / "data", folder / "unused", schedule=schedule)


@pytest.fixture(scope="module")
def published(config: Path) -> Path:
    """A configuration of a published network, small as it is, on the same data."""
    schedule = {"epochs": 3, "warmup_epochs": 1, "tau": [0.1, 0.1]}
    path = config.with_name("published.yml")
    return write_config(path, config.parent / "data", config.parent / "unused", schedule=schedule)


def whole_run(config: Path) -> Checkpoint:
    """Return how the run ends that nothing disturbs."""
    result = run_module("training.main", *words(config, config.with_suffix("")))
    assert result.returncode == 0, result.stderr
    return load_checkpoint(config.with_suffix("") / "last.pt")


@pytest.fixture(scope="module")
def undisturbed(config: Path) -> Checkpoint:
    return whole_run(config)


@pytest.fixture(scope="module")
def published_undisturbed(published: Path) -> Checkpoint:
    return whole_run(published)


def assert_same_end(out: Path, undisturbed: Checkpoint) -> None:
    last = load_checkpoint(out / "last.pt")
    epochs = last.config.schedule.epochs
    assert last.position == undisturbed.position and last.position.step == STEPS * epochs
    assert last.averaged is not None and undisturbed.averaged is not None
    for ours, theirs in ((last.model, undisturbed.model), (last.averaged, undisturbed.averaged)):
        assert all(torch.equal(value, theirs[key]) for key, value in ours.items())
    assert last.metrics == undisturbed.metrics
    assert [row["epoch"] for row in read_history(out)] == list(range(1, epochs + 1))


def test_killed_again_and_again_it_ends_with_the_same_weights(
    published: Path, published_undisturbed: Checkpoint, tmp_path: Path
) -> None:
    for steps in (1, 4, 8):
        process = start("training.main", *words(published, tmp_path, "--resume", "auto"))
        wait_until(lambda steps=steps: steps_done(tmp_path) >= steps, process)  # type: ignore[misc]
        process.kill()
        process.communicate()
    result = run_module("training.main", *words(published, tmp_path, "--resume", "auto"))
    assert result.returncode == 0 and "going on in epoch" in result.stdout
    assert_same_end(tmp_path, published_undisturbed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_saves_and_goes_on_later(
    config: Path, undisturbed: Checkpoint, tmp_path: Path, number: signal.Signals
) -> None:
    seldom = ("--set", "keep.every_steps=100")
    process = start("training.main", *words(config, tmp_path, *seldom))
    wait_until((tmp_path / "history.jsonl").exists, process)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number, output
    assert "go on with --resume auto" in output
    assert 0 < steps_done(tmp_path) < STEPS * EPOCHS
    result = run_module("training.main", *words(config, tmp_path, *seldom, "--resume", "auto"))
    assert result.returncode == 0, result.stderr
    assert_same_end(tmp_path, undisturbed)


def test_ctrl_c_reaches_the_loader_processes_too_and_nothing_is_lost(config: Path, tmp_path: Path) -> None:
    more = ("--set", "keep.every_steps=100", "--set", "data.num_workers=2")
    process = start("training.main", *words(config, tmp_path, *more), new_session=True)
    wait_until((tmp_path / "history.jsonl").exists, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "go on with --resume auto" in output and "Traceback" not in output
    assert steps_done(tmp_path) > 0


def test_what_is_overwritten_is_gone_at_once(config: Path, tmp_path: Path) -> None:
    once = words(config, tmp_path, "--set", "schedule.epochs=1")
    assert run_module("training.main", *once).returncode == 0
    wild = ("--overwrite", "--set", "optimizer.name=sgd", "--set", "optimizer.lr=1e38", "--set", "schedule.epochs=1")
    result = run_module("training.main", *words(config, tmp_path, *wild, "--set", "keep.every_steps=100"))
    assert_refused(result, "the loss is")
    assert not (tmp_path / "last.pt").exists() and not (tmp_path / "best.pt").exists()


def workers_of(process: TalkingProcess) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in children if "training.main" in Path(f"/proc/{pid}/cmdline").read_text()]


def test_a_killed_worker_under_torchrun_goes_on_from_the_last_checkpoint(config: Path, tmp_path: Path) -> None:
    def command(out: Path) -> list[str]:
        launch = ["torch.distributed.run", "--standalone", "--nproc_per_node=2", "--max-restarts=1"]
        return [*launch, "-m", "training.main", *words(config, out, "--set", "batch_size=2")]  # it finds the toy family

    whole = run_module(*command(tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    process = start(*command(tmp_path / "killed"))
    wait_until(lambda: steps_done(tmp_path / "killed") >= 4, process)
    os.kill(workers_of(process)[1], signal.SIGKILL)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    assert "going on in epoch" in output
    assert_same_end(tmp_path / "killed", load_checkpoint(tmp_path / "whole" / "last.pt"))


def test_a_full_disk_stops_the_run_and_leaves_the_last_checkpoint(config: Path, tmp_path: Path) -> None:
    once = words(config, tmp_path, "--set", "schedule.epochs=1")
    assert run_module("training.main", *once).returncode == 0
    before = (tmp_path / "last.pt").read_bytes()

    process = start("training.main", *words(config, tmp_path, "--resume", "auto"))
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (len(before) // 2,) * 2)  # long before it writes
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2, output
    assert "last.pt: cannot be written" in output and "Traceback" not in output
    assert (tmp_path / "last.pt").read_bytes() == before


def test_another_configuration_is_not_resumed(config: Path, undisturbed: Checkpoint) -> None:
    del undisturbed
    out = config.with_suffix("")
    assert_refused(run_module("training.main", *words(config, out)), "go on with --resume auto")
    changed = words(config, out, "--resume", "auto", "--set", "optimizer.momentum=0.5", "--set", "data.num_workers=1")
    result = run_module("training.main", *changed)
    assert_refused(result, "belongs to another configuration (optimizer.momentum was 0.9, is 0.5)")


def test_a_run_of_an_earlier_version_goes_on(config: Path, undisturbed: Checkpoint, tmp_path: Path) -> None:
    assert run_module("training.main", *words(config, tmp_path, "--set", "schedule.epochs=1")).returncode == 0
    rename_to_type(tmp_path / "last.pt", "M")
    earlier = tmp_path / "earlier.yml"
    earlier.write_text(config.read_text().replace("modality: rgb", "type: M"))
    result = run_module("training.main", *words(earlier, tmp_path, "--resume", "auto"))
    assert result.returncode == 0, result.stderr
    for path in (earlier, tmp_path / "last.pt"):
        assert result.stderr.count(f"{path}: type: M is now modality: rgb") == 1
    assert "modality: rgb" in (tmp_path / "config.yml").read_text()
    assert_same_end(tmp_path, undisturbed)


def test_a_new_run_starts_from_other_weights_but_for_what_is_named(
    published: Path, published_undisturbed: Checkpoint, tmp_path: Path
) -> None:
    del published_undisturbed
    start_from = f"start.checkpoint={published.with_suffix('') / 'best.pt'}"
    short = ("--set", "schedule.epochs=1", "--set", start_from)
    result = run_module("training.main", *words(published, tmp_path / "a", *short, "--set", "start.new=[heads]"))
    assert result.returncode == 0, result.stderr
    assert "all its weights but 12 of heads" in result.stdout
    result = run_module("training.main", *words(published, tmp_path / "b", *short, "--set", "network.num_blocks=2"))
    assert_refused(result, "is missing", "list in start.new what is to begin anew")
