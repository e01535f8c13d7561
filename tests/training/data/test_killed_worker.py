"""A loader process that the system has killed is named, with what to do."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from rgbd.errors import UserError
from tests.support.processed import write_clips, write_toy_config
from training.config.loading import load_config
from training.data.loader import Loader


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGKILL, r"killed, probably .* memory; lower data.num_workers \(now 1 .* smaller batch_size \(now 2\)"),
        (signal.SIGSEGV, r"has crashed \(exit code -11\).* data.num_workers 0"),
    ],
)
def test_a_loader_process_that_ends_is_named(tmp_path: Path, number: int, said: str) -> None:
    write_clips(tmp_path / "data", clips={"train": 24, "valid": 1})
    data = {"root": str(tmp_path / "data"), "num_workers": 1}
    path = write_toy_config(tmp_path / "run.yml", tmp_path / "data", tmp_path / "out", data=data, batch_size=2)
    before = multiprocessing.active_children()  # of tests before
    batches = Loader(load_config(path), "train", rank=0, world_size=1).epoch(0)
    next(batches)
    (child,) = set(multiprocessing.active_children()) - set(before)
    assert child.pid is not None
    os.kill(child.pid, number)
    with pytest.raises(UserError, match=said):
        list(batches)
