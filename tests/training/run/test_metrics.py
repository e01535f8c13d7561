"""Figures of an evaluation, on scores whose figures are known."""

from pathlib import Path

import numpy as np
import pytest

from rgbd.errors import DatasetError
from training.run.metrics import Evaluation, fit_temperature, fuse_scores, load_evaluation, save_evaluation


def evaluation(scores: list[list[float]], labels: list[int], **heads: list[list[float]]) -> Evaluation:
    arrays = {"logits": scores, **{f"logits_{name}": head for name, head in heads.items()}}
    clips = tuple(f"clip{number}" for number in range(len(labels)))
    return Evaluation({name: np.array(head, np.float32) for name, head in arrays.items()}, np.array(labels), clips)


def test_accuracies_over_clips_and_over_classes() -> None:
    scores = [[3.0, 1, 0], [3, 1, 0], [3, 1, 0], [1, 3, 0]]
    result = evaluation(scores, [0, 0, 1, 1])
    figures = result.metrics()
    assert (figures["top1"], figures["top5"], figures["mean_class"]) == (0.75, 1.0, 0.75)
    assert evaluation(scores, [0, 0, 0, 1]).metrics()["mean_class"] == 1.0  # the third class has no clips
    assert result.confusion().tolist() == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert np.isnan(result.class_accuracies()[2])


def test_top5_counts_the_five_highest() -> None:
    result = evaluation([list(range(8))] * 2, [3, 2])
    assert result.metrics()["top5"] == 0.5


def test_calibration_finds_the_temperature_that_scores_were_multiplied_by() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (4000, 5))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = [int(rng.choice(5, p=share)) for share in shares]
    sharp = evaluation((3 * logits).tolist(), labels)
    temperature = fit_temperature(sharp)
    assert temperature == pytest.approx(3, rel=0.1)
    figures = sharp.metrics(temperature)
    assert figures["ece"] < 0.03 < figures["ece_raw"] == sharp.metrics()["ece"]


def test_without_a_mistake_there_is_nothing_to_calibrate_by() -> None:
    assert fit_temperature(evaluation([[2.0, 0], [0, 2.0]], [0, 1])) == 1.0


def test_score_fusion_averages_probabilities_of_the_same_clips() -> None:
    sure, unsure = evaluation([[5.0, 0]], [0]), evaluation([[0.0, 1]], [0])
    assert fuse_scores([sure, unsure]).metrics()["top1"] == 1.0
    loud, quiet = evaluation([[0.0, 9]], [0]), evaluation([[3.0, 0]], [0])
    assert fuse_scores([loud, quiet], "scores").answer.tolist() == [[1.5, 4.5]]
    with pytest.raises(DatasetError, match="different clips"):
        fuse_scores([sure, evaluation([[1.0, 0]] * 2, [0, 0])])


def test_scores_survive_a_file(tmp_path: Path) -> None:
    result = evaluation([[5.0, 0]], [0], small=[[0.0, 1]])
    save_evaluation(tmp_path / "scores.npz", result)
    again = load_evaluation(tmp_path / "scores.npz")
    assert again.clips == result.clips and again.metrics() == result.metrics()
    (tmp_path / "other.npz").write_bytes(b"no")
    with pytest.raises(DatasetError, match="no file of scores"):
        load_evaluation(tmp_path / "other.npz")
