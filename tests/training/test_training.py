"""Whole runs through the command line: one stream, two processes, fusion, and a user's mistakes."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from rgbd.clip.rejection import familiarity
from tests.support.commands import assert_refused, run_module
from tests.support.processed import write_clips, write_config
from training.config.loading import load_config
from training.data.loader import Loader
from training.run.checkpoint import Checkpoint, CheckpointError, load_checkpoint, restore_network
from training.run.distributed import process_group
from training.run.evaluation import all_metrics, evaluate
from training.run.metrics import Evaluation

pytestmark = pytest.mark.slow


def train(*arguments: object) -> subprocess.CompletedProcess[str]:
    return run_module("training.main", *arguments)


def evaluate_alone(checkpoint: Checkpoint) -> Evaluation:
    with process_group() as process:
        loader = Loader(checkpoint.config, "valid", rank=0, world_size=1)
        return evaluate(restore_network(checkpoint), loader, process, checkpoint.config)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and two trained streams."""
    folder = tmp_path_factory.mktemp("runs")
    write_clips(folder / "data", clips={"train": 48, "valid": 20})
    for name in ("rgb", "depth"):
        config = write_config(folder / f"{name}.yml", folder / "data", folder / name, modality=name)
        result = train("--config", config)
        assert result.returncode == 0, result.stderr
        assert "epoch   4/4" in result.stdout
    return folder


@pytest.mark.parametrize("name", ["rgb", "depth"])
def test_a_stream_learns_and_its_checkpoint_carries_everything(runs: Path, name: str) -> None:
    checkpoint = load_checkpoint(runs / name / "best.pt")
    assert checkpoint.config.modality == name
    assert checkpoint.class_names == ("right", "down")
    assert checkpoint.metrics["top1"] == 1.0
    assert checkpoint.config == load_config(runs / f"{name}.yml")
    (look,) = checkpoint.trained_on.values()
    assert checkpoint.trained_on.keys() == {name} and (look.empty_share is None) == (name == "rgb")
    evaluation = evaluate_alone(checkpoint)
    assert all_metrics(evaluation, checkpoint.config, checkpoint.temperature) == pytest.approx(checkpoint.metrics)
    assert evaluation.scores["logits"].shape == (20, 2)
    assert checkpoint.rejection is not None and checkpoint.rejection.known.keys() == {"logits"}
    assert checkpoint.rejection.known["logits"][0] == pytest.approx(familiarity(evaluation.answer).min(), rel=1e-4)


def test_fusion_starts_from_both_streams(runs: Path) -> None:
    streams = {"rgb": str(runs / "rgb" / "best.pt"), "depth": str(runs / "depth" / "best.pt")}
    config = write_config(runs / "fusion.yml", runs / "data", runs / "fusion", modality="rgbd", streams=streams)
    result = train("--config", config, "--set", "schedule.epochs=8")
    assert result.returncode == 0, result.stderr
    fusion = load_checkpoint(runs / "fusion" / "best.pt")
    assert fusion.metrics["top1"] == 1.0
    assert fusion.rejection is not None
    assert set(fusion.rejection.known) == {"logits", "logits_rgb", "logits_depth"}  # either stream can answer alone

    wrong = train("--config", config, "--overwrite", "--set", f"streams.rgb={streams['depth']}")
    assert_refused(wrong, "streams.rgb needs a checkpoint of rgb, this is depth")
    other = train("--config", config, "--overwrite", "--set", "network.num_blocks=2")
    assert_refused(other, "was trained with another network")


def test_a_run_does_not_take_the_place_of_what_it_starts_from(runs: Path) -> None:
    before = {path: path.read_bytes() for path in sorted((runs / "rgb").glob("*.*"))}
    settings = {"start": {"checkpoint": str(runs / "rgb" / "best.pt")}}
    config = write_config(runs / "again.yml", runs / "data", runs / "rgb", **settings)
    assert_refused(train("--config", config, "--overwrite"), "best.pt is read")
    assert {path: path.read_bytes() for path in sorted((runs / "rgb").glob("*.*"))} == before


def test_only_files_of_runs_are_removed_and_runs_are_not_mixed(runs: Path, tmp_path: Path) -> None:
    names = ("best.pdf", "last.notes.md", "scores-2026.npz", "tensorboard/mine.txt", ".diary.2024.tmp.txt")
    for name in names:
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text("mine")
    config = write_config(tmp_path / "run.yml", runs / "data", tmp_path / "out")
    assert train("--config", config, "--set", "schedule.epochs=1").returncode == 0
    assert all((tmp_path / "out" / name).read_text() == "mine" for name in names)
    other = train("--config", config, "--resume", runs / "rgb" / "last.pt")
    assert_refused(other, "holds another run than")
    (tmp_path / "out" / "last.pt").unlink()
    assert_refused(train("--config", config, "--resume", "auto"), "holds best.pt, and no last.pt to go on from")
    assert_refused(train("--config", config), "holds a run")
    assert (tmp_path / "out" / "best.pt").exists()
    (tmp_path / "out" / "best.pt").rename(
        tmp_path / "best.pt"
    )  # what else there is of it is not for the next one either
    assert_refused(train("--config", config), "holds a run (best.json)")


def test_a_run_is_not_written_over_its_configuration_or_among_clips(runs: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yml", runs / "data", tmp_path)
    text = config.read_text()
    assert_refused(train("--config", config), "config.yml is read")
    assert config.read_text() == text
    among = runs / "data" / "Images" / "run"
    assert_refused(train("--config", write_config(tmp_path / "run.yml", runs / "data", among)), "Images is read")
    assert not among.exists()


def test_two_processes_under_torchrun(runs: Path) -> None:
    config = write_config(runs / "two.yml", runs / "data", runs / "two")
    command = ("--standalone", "--nproc_per_node=2", "training/main.py", "--config", config)
    result = run_module("torch.distributed.run", *command, "--set", "schedule.epochs=2")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("epoch   1/2") == 1  # one process speaks
    checkpoint = load_checkpoint(runs / "two" / "last.pt")
    assert checkpoint.position.epoch == 2
    # The clips were shared out, and yet the figures are those of one process that sees them all.
    found = all_metrics(evaluate_alone(checkpoint), checkpoint.config, checkpoint.temperature)
    assert found == pytest.approx(checkpoint.metrics, rel=1e-4)  # the temperature is fitted to the last digits, too


def test_the_same_seed_gives_the_same_weights(runs: Path) -> None:
    states = []
    for name in ("once", "again"):
        config = write_config(runs / f"{name}.yml", runs / "data", runs / name)
        assert train("--config", config, "--set", "schedule.epochs=1").returncode == 0
        states.append(load_checkpoint(runs / name / "last.pt").model)
    assert all(np.array_equal(states[0][key], states[1][key]) for key in states[0])


def test_a_damaged_checkpoint_is_refused(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.pt").write_bytes((runs / "rgb" / "best.pt").read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"cut\.pt: is no file of weights"):
        load_checkpoint(tmp_path / "cut.pt")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(tmp_path / "nowhere.pt")


def test_a_missing_data_set_is_named(tmp_path: Path) -> None:
    result = train("--config", write_config(tmp_path / "run.yml", tmp_path / "nowhere", tmp_path / "out"))
    assert_refused(result, "train.txt")
    assert not (tmp_path / "out").exists()
