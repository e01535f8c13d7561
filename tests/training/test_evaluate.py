"""`python -m training.evaluate` on networks that have learnt nothing: the figures are what counts."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.commands import assert_refused, run_module
from tests.support.processed import write_clips, write_config
from training.config.loading import load_config
from training.run.checkpoint import Checkpoint, Position, build_network, save_checkpoint
from training.run.metrics import load_evaluation

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, and checkpoints of both streams in folders of their own."""
    folder = tmp_path_factory.mktemp("evaluate")
    write_clips(folder / "data", clips={"train": 2, "valid": 7})
    for seed, name in enumerate(("rgb", "depth")):
        config = load_config(write_config(folder / "run.yml", folder / "data", folder / name, modality=name))
        torch.manual_seed(seed)
        checkpoint = Checkpoint(
            config=config,
            class_names=("right", "down"),
            position=Position(),
            epoch_state={"tau": 0.1},
            metrics={},
            model=build_network(config, 2).state_dict(),
        )
        save_checkpoint(folder / name / "best.pt", checkpoint)
    return folder


def evaluate(folder: Path, out: Path, *more: object, launch: tuple[object, ...] = ()) -> dict[str, dict[str, float]]:
    """Return the metrics by row that the command writes."""
    words = ("--checkpoint", folder / "rgb" / "best.pt", "--out", out, *more)
    module, *before = (*launch, "training.evaluate")
    result = run_module(str(module), *before, *words)
    assert result.returncode == 0, result.stderr
    assert "top1" in result.stdout and result.stdout.count("scores of every clip") == 1
    metrics: dict[str, dict[str, float]] = json.loads((out / "metrics-valid.json").read_text())["metrics"]
    return metrics


def test_any_number_of_processes_gives_the_same_scores(folder: Path, tmp_path: Path) -> None:
    launch = ("torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m")
    one, two = evaluate(folder, tmp_path / "one"), evaluate(folder, tmp_path / "two", launch=launch)
    assert one.keys() == two.keys()
    scores = [load_evaluation(tmp_path / name / "scores-valid.npz") for name in ("one", "two")]
    assert scores[0].clips == scores[1].clips and len(scores[0].clips) == 7
    np.testing.assert_allclose(scores[0].scores["logits"], scores[1].scores["logits"], rtol=1e-4, atol=1e-4)
    assert set(next(iter(one.values()))) == {
        *("top1", "top1_small", "top1_medium", "top1_large", "top5", "mean_class", "ece", "ece_raw", "legacy_max"),
    }


def test_views_are_averaged(folder: Path, tmp_path: Path) -> None:
    evaluate(folder, tmp_path / "one")
    evaluate(folder, tmp_path / "many", "--clips", "3", "--flip")
    plain, many = (load_evaluation(tmp_path / name / "scores-valid.npz") for name in ("one", "many"))
    assert not np.allclose(plain.scores["logits"], many.scores["logits"])
    assert json.loads((tmp_path / "many" / "metrics-valid.json").read_text())["views"] == 6


def test_score_fusion_is_a_row_of_its_own(folder: Path, tmp_path: Path) -> None:
    rows = evaluate(folder, tmp_path, "--fuse", folder / "depth" / "best.pt")
    assert len(rows) == 3 and list(rows)[-1] == "mean of their probabilities"
    fused = load_evaluation(tmp_path / "scores-valid.npz")
    assert np.exp(fused.scores["logits"]).sum(1) == pytest.approx(np.ones(7), abs=1e-4)
    words = ("--checkpoint", folder / "rgb" / "best.pt", "--mean-of", "scores", "--out", tmp_path)
    other = run_module("training.evaluate", *words, "--fuse", folder / "depth" / "best.pt")
    assert_refused(other, "holds scores of something else (mean_of scores, not probabilities)", "--out")
    assert_refused(run_module("training.evaluate", *words), "name others with --fuse")


def test_mistakes_are_named(folder: Path, tmp_path: Path) -> None:
    checkpoint = folder / "rgb" / "best.pt"
    result = run_module("training.evaluate", "--checkpoint", checkpoint, "--split", "test", "--out", tmp_path)
    assert_refused(result, "test.txt")
    result = run_module("training.evaluate", "--checkpoint", checkpoint, "--data", tmp_path, "--out", tmp_path)
    assert_refused(result, "valid.txt")


def test_scores_of_something_else_stay(folder: Path, tmp_path: Path) -> None:
    evaluate(folder, tmp_path)
    first = load_evaluation(tmp_path / "scores-valid.npz")
    assert first.source is not None
    assert (first.source.data, first.source.split, first.source.flip) == (folder / "data", "valid", False)
    evaluate(folder, tmp_path)  # of the same: the same again
    other = ("--checkpoint", folder / "depth" / "best.pt", "--flip", "--out", tmp_path)
    result = run_module("training.evaluate", *other)
    assert_refused(result, "holds scores of something else (other weights; flip True, not False)", "--out")
    assert load_evaluation(tmp_path / "scores-valid.npz").source == first.source
    (tmp_path / "scores-valid.npz").write_bytes(b"cut")
    evaluate(folder, tmp_path, "--flip")
