"""Whole runs of the second family through the command line: two streams, mixed, and the head over both."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.commands import run_module
from tests.support.processed import write_clips, write_config
from tests.support.small_networks import SMALL_UMDR
from training.run.checkpoint import load_checkpoint
from training.run.metrics import load_evaluation

pytestmark = pytest.mark.slow

SECTIONS = {
    "network": {**SMALL_UMDR, "batchnorm_momentum": 0.3},
    "augment": {"mixup": 0.8, "shufflemix": 0.3, "shufflemix_share": 0.2},
    "optimizer": {"lr": 0.02, "nesterov": True, "weight_decay": 5e-4, "decayed": "matrices"},
    "schedule": {"epochs": 8, "warmup_epochs": 1, "tau": [0.1, 0.3], "tau_epochs": 8, "evaluate_every": 4},
}


def train(folder: Path, modality: str, *, num_processes: int, **more: object) -> Path:
    config = write_config(
        folder / f"{modality}.yml", folder / "data", folder / modality, modality=modality, **SECTIONS, **more
    )
    command = ("--standalone", f"--nproc_per_node={num_processes}", "training/main.py", "--config", config)
    result = run_module("torch.distributed.run", *command)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder / modality / "best.pt"


def test_streams_then_a_head_over_both(tmp_path: Path) -> None:
    write_clips(tmp_path / "data", clips={"train": 48, "valid": 20})
    rgb, depth = train(tmp_path, "rgb", num_processes=1), train(tmp_path, "depth", num_processes=2)
    streams = {"rgb": str(rgb), "depth": str(depth)}
    fusion = load_checkpoint(train(tmp_path, "rgbd", num_processes=2, streams=streams))
    assert fusion.metrics["top1"] > 0.8
    assert {"top1_streams", "top1_rgb", "top1_depth_head", "legacy_max"} <= fusion.metrics.keys()
    for stream, path in (("rgb", rgb), ("depth", depth)):
        trained = load_checkpoint(path)
        assert trained.metrics["top1"] > 0.8
        assert fusion.model[f"{stream}.tau"].item() == pytest.approx(trained.epoch_state["tau"])
        assert all(torch.equal(value, fusion.model[f"{stream}.{key}"]) for key, value in trained.model.items())

    words = ("--fuse", depth, "--mean-of", "scores", "--out", tmp_path / "scores")
    result = run_module("training.evaluate", "--checkpoint", rgb, *words)
    assert result.returncode == 0, result.stderr
    untrained = load_evaluation(tmp_path / "scores" / "scores-valid.npz")
    trained_scores = load_evaluation(tmp_path / "rgbd" / "scores-valid.npz")
    np.testing.assert_allclose(untrained.answer, trained_scores.scores["logits_streams"], rtol=1e-3, atol=1e-3)
