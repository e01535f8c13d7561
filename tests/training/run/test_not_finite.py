"""Nothing that is NaN or infinite is saved, evaluated or shown, and the advice that a run ends with works."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rgbd.errors import ConfigError, DatasetError
from tests.support.commands import assert_refused, run_module
from tests.support.processed import write_clips, write_config
from tests.support.small_step import WARM, batch, config, draws, stepper
from training.config.loading import load_config
from training.report.figures import charts
from training.run.checkpoint import (
    Checkpoint,
    CheckpointError,
    Position,
    build_network,
    load_checkpoint,
    save_checkpoint,
)
from training.run.figures import EpochFigures, StepFigures
from training.run.finite import NotFiniteError
from training.run.history import read_history
from training.run.metrics import Evaluation, fit_temperature, load_evaluation
from training.run.step import Stepper

NAN, INF = float("nan"), float("inf")


def spoil_gradient(result: Stepper, value: float) -> None:
    parameter = next(result.network.parameters())
    parameter.register_hook(lambda gradient: torch.full_like(gradient, value))


def state_of(result: Stepper) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in result.network.state_dict().items()}


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert all(torch.equal(value, other[key]) for key, value in one.items())


@pytest.mark.parametrize("value", [NAN, INF])
def test_a_gradient_that_is_not_finite_moves_no_weight(value: float) -> None:
    result = stepper(config())
    before = [parameter.clone() for parameter in result.network.parameters()]
    spoil_gradient(result, value)
    with pytest.raises(NotFiniteError, match=r"the loss is \d.*the norm of its gradient (nan|inf)"):
        result.step([batch()], draws(1), epoch=WARM)
    assert all(torch.equal(one, other) for one, other in zip(before, result.network.parameters(), strict=True))


def test_fp16_skips_what_it_cannot_hold_and_counts_it() -> None:
    result = stepper(config(compute={"autocast": "fp16"}, optimizer={"lr": 0.1, "ema_decay": 0.9}))
    with torch.no_grad():  # a forward pass that overflows, and spoils the statistics of batch norm on its way
        weight = next(result.network.parameters())
        good = weight.clone()
        weight.fill_(1e5)
    before = state_of(result)
    figures = result.step([batch()], draws(1), epoch=WARM)
    assert (figures.skipped, figures.clips, figures.loss) == (1, 0, 0.0)
    assert_same(before, state_of(result))
    with torch.no_grad():
        weight.copy_(good)
    while result.step([batch()], draws(1), epoch=WARM).skipped:
        pass
    assert not any(torch.equal(value, before[key]) for key, value in result.network.named_parameters())
    result.check()


def test_fp16_stops_where_no_factor_helps() -> None:
    result = stepper(config(compute={"autocast": "fp16"}))
    spoil_gradient(result, NAN)
    skipped = 0
    with pytest.raises(NotFiniteError):
        while True:
            skipped += result.step([batch()], draws(1), epoch=WARM).skipped
    assert skipped == 16  # from 2^16 to 1


@pytest.mark.parametrize("averaged", [False, True])
def test_weights_are_checked_and_left_as_they_are(averaged: bool) -> None:
    result = stepper(config(optimizer={"lr": 0.01, "ema_decay": 0.9}))
    result.check()  # nothing has moved
    result.step([batch()], draws(1), epoch=WARM)
    before, generator = state_of(result), torch.get_rng_state()
    result.check()
    assert_same(before, state_of(result))
    assert all(parameter.grad is None for parameter in result.network.parameters())
    assert result.averaged is not None
    network = result.averaged.module if averaged else result.network
    running = next(value for name, value in network.named_buffers() if name.endswith("running_mean"))
    running[0] = NAN
    with pytest.raises(NotFiniteError, match=r"not finite: (network|averaged)\..*running_mean"):
        result.check()
    torch.set_rng_state(generator)


def test_weights_that_are_finite_and_too_large_are_found() -> None:
    result = stepper(config(optimizer={"lr": 1e25}))
    result.step([batch()], draws(1), epoch=WARM)
    assert all(torch.isfinite(parameter).all() for parameter in result.network.parameters())
    with pytest.raises(NotFiniteError, match="the loss is"):
        result.check()


@pytest.mark.parametrize(
    "setting",
    [
        *("optimizer.lr=.inf", "optimizer.lr=.nan", "optimizer.min_lr=.inf", "optimizer.weight_decay=.inf"),
        *("optimizer.clip_norm=.inf", "optimizer.clip_norm=nan", "augment.mixup=.inf", "loss.distillation=.inf"),
        *("loss.heads=[1, -1, 0, 0]", "loss.heads=[.nan, 1, 1, 1]", "loss.distillation_temperature=.inf"),
        *("schedule.tau=[0, 1]", "schedule.tau=[-0.1, 0.1]", "schedule.tau=[0.1, .inf]", "augment.flip=.nan"),
    ],
)
def test_settings_are_finite_and_of_the_right_sign(tmp_path: Path, setting: str) -> None:
    path = write_config(tmp_path / "run.yml", tmp_path, tmp_path)
    with pytest.raises(ConfigError, match=setting.partition("=")[0].replace(".", r"\.")):
        load_config(path, [setting])


def evaluation(scores: list[list[float]], labels: list[int]) -> Evaluation:
    clips = tuple(f"clip{number}" for number in range(len(labels)))
    return Evaluation({"logits": np.array(scores, np.float32)}, np.array(labels), clips)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_scores_that_are_not_finite_are_no_evaluation(tmp_path: Path, value: float) -> None:
    with pytest.raises(NotFiniteError, match="logits of 1 of 2 clips are NaN or infinite, of clip1 first"):
        evaluation([[1, 0], [value, 0]], [0, 1])
    arrays = {"clips": np.array(["a"]), "labels": np.array([0]), "logits": np.array([[value, 0]], np.float32)}
    np.savez(tmp_path / "scores.npz", **arrays)  # as an earlier version wrote them
    with pytest.raises(DatasetError, match=r"scores\.npz: the scores logits of 1 of 1"):
        load_evaluation(tmp_path / "scores.npz")


def test_any_finite_scores_have_a_temperature_and_figures() -> None:
    for size in (1e-30, 1.0, 1e20, 3e38):
        huge = evaluation([[size, -size], [size, -size], [-size, size]], [0, 1, 1])
        temperature = fit_temperature(huge)
        assert 1e-3 <= temperature <= 1e3 * (1 + 1e-9)
        assert all(np.isfinite(value) for value in huge.metrics(temperature).values())


def test_figures_of_earlier_versions_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text('{"epoch": 1, "train": {"loss": NaN, "top1": 0.5}, "valid": null}\n')
    rows = read_history(tmp_path)
    assert rows == [{"epoch": 1, "train": {"loss": None, "top1": 0.5}, "valid": None}]
    assert [curve.name for chart in charts(rows) for curve in chart.curves] == ["train top1"]


def test_figures_of_an_epoch_leave_out_skipped_steps() -> None:
    figures = EpochFigures()
    figures.add(StepFigures(skipped=1), rate=0.1, waited_s=0.0)
    assert "loss" not in figures.means() and figures.means()["skipped_steps"] == 1 and "skipped steps 1" in str(figures)
    figures.add(StepFigures(loss=6.0, correct=1, judged=2, clips=2), rate=0.1, waited_s=0.0)
    assert (figures.means()["loss"], figures.means()["top1"]) == (3.0, 0.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, and the configuration of a run of one step an epoch."""
    folder = tmp_path_factory.mktemp("finite")
    write_clips(folder / "data", clips={"train": 8, "valid": 5})
    schedule = {"epochs": 1, "warmup_epochs": 0, "tau": [0.1, 0.1], "evaluate_every": 1}
    write_config(folder / "run.yml", folder / "data", folder / "out", schedule=schedule)
    return folder


def write_checkpoint(folder: Path, **changes: Any) -> Path:
    """Write a checkpoint past what refuses it, as earlier versions did."""
    settings = load_config(folder / "run.yml")
    torch.manual_seed(0)
    model = build_network(settings, 2).state_dict()
    checkpoint = Checkpoint(
        config=settings,
        class_names=("right", "down"),
        position=Position(epoch=1),
        epoch_state={"tau": 0.1},
        metrics={},
        model=model,
    )
    path = folder / "written.pt"
    save_checkpoint(path, checkpoint)
    content = torch.load(path, weights_only=True)
    torch.save(content | {name: change(content[name]) for name, change in changes.items()}, path)
    return path


def with_value(value: float) -> Any:
    def change(model: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        key = next(iter(model))
        return {**model, key: torch.full_like(model[key], value)}

    return change


@pytest.mark.parametrize(
    ("name", "change", "named"),
    [
        ("model", with_value(NAN), r"model\.backbone\.\S+"),
        ("model", with_value(INF), r"model\.backbone\.\S+"),
        (
            "training",
            lambda _: {"optimizer": {"state": {0: {"exp_avg": torch.tensor([INF])}}}},
            r"training\.optimizer\.state\.0\.exp_avg",
        ),
        ("metrics", lambda _: {"top1": NAN}, r"metrics\.top1"),
        ("temperature", lambda _: NAN, "temperature"),
        ("epoch_state", lambda _: {"tau": INF}, r"epoch_state\.tau"),
    ],
)
def test_a_checkpoint_that_is_not_finite_is_refused(folder: Path, name: str, change: Any, named: str) -> None:
    path = write_checkpoint(folder, **{name: change})
    with pytest.raises(CheckpointError, match=rf"written\.pt: {named} hold NaN or infinite .*earlier checkpoint"):
        load_checkpoint(path)


def test_a_checkpoint_that_is_not_finite_is_not_written(folder: Path) -> None:
    path = write_checkpoint(folder)
    before = path.read_bytes()
    checkpoint = load_checkpoint(path)
    key = next(iter(checkpoint.model))
    checkpoint.model[key][0] = NAN
    with pytest.raises(CheckpointError, match="is left as it was, because model"):
        save_checkpoint(path, checkpoint)
    assert path.read_bytes() == before


@pytest.mark.slow
def test_commands_refuse_weights_and_scores_that_are_not_finite(folder: Path, tmp_path: Path) -> None:
    words = ("--out", tmp_path)
    bad = shutil.move(write_checkpoint(folder, model=with_value(NAN)), tmp_path / "best.pt")
    assert_refused(
        run_module("training.evaluate", "--checkpoint", bad, *words), "best.pt: model.", "earlier checkpoint"
    )
    assert_refused(run_module("training.report", tmp_path), "best.pt: model.", "earlier checkpoint")

    def enlarge(model: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {key: value * 1e20 if value.is_floating_point() else value for key, value in model.items()}

    large = write_checkpoint(folder, model=enlarge)
    result = run_module("training.evaluate", "--checkpoint", large, *words)
    assert_refused(result, "written.pt: the scores logits of 5 of 5 clips", "before the run diverged")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt"]


def train(folder: Path, out: Path, *settings: str, more: tuple[str, ...] = ()) -> Any:
    words = [word for setting in (f"out={out}", *settings) for word in ("--set", setting)]
    return run_module("training.main", "--config", folder / "run.yml", *words, *more)


def content(out: Path) -> dict[str, bytes]:
    files = (path for path in out.iterdir() if path.is_file() and path.name != "config.yml")
    return {path.name: path.read_bytes() for path in files}


@pytest.mark.slow
def test_a_run_that_diverges_saves_nothing_and_its_advice_works(folder: Path, tmp_path: Path) -> None:
    out, wild = tmp_path / "out", "optimizer.lr=1e25"
    result = train(folder, out, wild)
    assert_refused(
        result, "after step 1: the loss is", "lower optimizer.lr (now 1e+25) and begin again: nothing was saved"
    )
    assert {path.name for path in out.iterdir()} == {"config.yml", "history.jsonl", "tensorboard"}
    assert not (out / "history.jsonl").read_text()

    assert train(folder, out).returncode == 0
    before = content(out)
    resume = ("--resume", "auto")
    for often in ("keep.every_steps=1", "schedule.evaluate_every=2"):
        result = train(folder, out, wild, "schedule.epochs=3", often, more=resume)
        assert_refused(
            result, "after step 2: the loss is", "lower optimizer.lr (now 1e+25) and go on with --resume auto"
        )
        assert content(out) == before

    result = train(folder, out, "optimizer.lr=0.001", "schedule.epochs=3", more=resume)
    assert result.returncode == 0, result.stderr
    assert "changed after step 1: optimizer.lr 0.002 -> 0.001" in result.stdout
    assert "# changed after step 1: optimizer.lr 0.002 -> 0.001" in (out / "config.yml").read_text()
    assert [row["epoch"] for row in read_history(out)] == [1, 2, 3]
    assert read_history(out)[1]["train"]["lr"] < 0.001 < read_history(out)[0]["train"]["lr"]
    last = load_checkpoint(out / "last.pt")
    assert last.config.optimizer.lr == 0.001
    assert set(last.changes) == {"after step 1: optimizer.lr 0.002 -> 0.001", "after step 1: schedule.epochs 1 -> 3"}
    assert load_config(out / "config.yml") == last.config
    json.loads((out / "last.json").read_text(), parse_constant=pytest.fail)


@pytest.mark.slow
def test_two_processes_stop_together(folder: Path, tmp_path: Path) -> None:
    launch = ("--standalone", "--nproc_per_node=2", "training/main.py", "--config", folder / "run.yml")
    wild = ("--set", f"out={tmp_path}", "--set", "batch_size=2", "--set", "optimizer.lr=1e25")
    result = run_module("torch.distributed.run", *launch, *wild)
    assert result.returncode == 1  # torchrun's own
    assert result.stderr.count("lower optimizer.lr (now 1e+25)") == 2 == result.stderr.count("exitcode  : 2")
    assert not (tmp_path / "last.pt").exists()
