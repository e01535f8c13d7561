"""Which checkpoint files remain after some evaluations."""

import json
from pathlib import Path

import torch

from training.config.schema import KeepConfig, TrainingConfig
from training.run.checkpoint import Checkpoint, Position, load_checkpoint
from training.run.checkpoint_files import Keeper


def names_after(folder: Path, config: KeepConfig, top1: list[float]) -> list[str]:
    keeper = Keeper(folder, config)
    for epoch, value in enumerate(top1, start=1):
        keeper.evaluated(epoch, value, f"scores {epoch}")
        keeper.save_evaluated(
            Checkpoint(
                config=TrainingConfig(modality="rgb"),
                class_names=("a", "b"),
                position=Position(epoch=epoch),
                epoch_state={"tau": 1.0},
                metrics={"top1": value},
                model={"weight": torch.zeros(1)},
            )
        )
    return sorted(path.name for path in folder.iterdir())


TOP1 = [0.2, 0.6, 0.5, 0.6, 0.1]


def test_the_last_and_the_first_best_epoch_are_kept(tmp_path: Path) -> None:
    assert names_after(tmp_path, KeepConfig(), TOP1) == ["best.json", "best.pt", "last.json", "last.pt"]
    assert load_checkpoint(tmp_path / "best.pt").position.epoch == 2
    assert load_checkpoint(tmp_path / "last.pt").position.epoch == 5
    assert json.loads((tmp_path / "best.json").read_text()) == {"epoch": 2, "top1": 0.6}


def test_more_are_kept_when_asked(tmp_path: Path) -> None:
    names = names_after(tmp_path, KeepConfig(keep_last=2, keep_best=3), TOP1)
    epochs = [name for name in names if name.startswith("epoch")]
    assert epochs == ["epoch-002.pt", "epoch-003.pt", "epoch-004.pt", "epoch-005.pt"]
    assert load_checkpoint(tmp_path / "epoch-003.pt").position.epoch == 3
