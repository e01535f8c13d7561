"""Files that are no checkpoints, or were: each is an error that names the file, whatever torch makes of its bytes."""

import io
import tarfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rgbd.errors import UserError
from tests.support.checkpoints import TOY, untrained
from training.config.schema import TrainingConfig
from training.import_weights import import_file
from training.run.checkpoint import CheckpointError, load_checkpoint

NUM_MUTATIONS = 120


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


@pytest.mark.parametrize("load", [load_checkpoint, lambda path: import_file(path, TrainingConfig(modality="rgb"))])
def test_mutated_bytes_are_an_error_or_a_checkpoint(
    whole: Path, tmp_path: Path, load: Callable[[Path], object]
) -> None:
    content, rng = bytearray(whole.read_bytes()), np.random.default_rng(0)
    path, num_refused = tmp_path / "mutated.pt", 0
    for _ in range(NUM_MUTATIONS):
        mutated = content.copy()
        # What torch pickled stands first and the archive's list last; between are the weights.
        for place in rng.choice([*range(2500), *range(len(content) - 1500, len(content))], rng.integers(1, 9)):
            mutated[place] = rng.integers(256)
        path.write_bytes(mutated)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, of types that it makes up from such bytes
            try:
                load(path)
            except UserError as error:
                num_refused += 1
                assert str(path) in str(error) or "network.name" in str(error)
    assert num_refused > NUM_MUTATIONS / 4
