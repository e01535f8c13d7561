"""Files that are no checkpoints, or were: each is an error that names the file, whatever torch makes of its bytes."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.checkpoints import TOY, untrained
from tests.support.commands import run_module
from tests.support.mutated_checkpoints import NUM_MUTATIONS
from training.run.checkpoint import CheckpointError, load_checkpoint


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the toy family."""
    return untrained("rgb", tmp_path_factory.mktemp("whole") / "best.pt", **TOY)


def as_text(path: Path) -> None:
    path.write_text("epoch,top1\n1,0.5\n")


def as_tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("weights"), io.BytesIO())


def as_nothing(path: Path) -> None:
    path.write_bytes(b"")


def as_code(path: Path) -> None:
    torch.save({"model": np.random.default_rng}, path)


@pytest.mark.parametrize("write", [as_text, as_tar, as_nothing, as_code])
def test_what_is_no_weight_file_is_named(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "best.pt"
    write(path)
    with pytest.raises(CheckpointError, match=r"best\.pt: is no file of weights, or damaged") as caught:
        load_checkpoint(path)
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize("content", [{"model": {"w": torch.zeros(1)}, "epoch": 3}, {"w": torch.zeros(1)}, [1, 2]])
def test_a_published_file_is_told_how_it_becomes_a_checkpoint(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "model_best.pth.tar")
    with pytest.raises(CheckpointError, match=r"model_best\.pth\.tar: is no checkpoint of ours.*training\.import_weig"):
        load_checkpoint(tmp_path / "model_best.pth.tar")


def test_mutated_bytes_are_an_error_or_a_checkpoint(whole: Path) -> None:
    result = run_module("tests.support.mutated_checkpoints", whole)
    assert result.returncode == 0, result.stderr
    assert min(map(int, result.stdout.split())) > NUM_MUTATIONS / 4
