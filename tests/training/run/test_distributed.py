"""How processes that train together part: with nothing of the group left, whatever ended them."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from rgbd.errors import UserError
from tests.support.two_processes import in_two_processes
from training.run.distributed import process_group


def threads_of_gloo() -> list[str]:
    names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    return [name for name in names if "gloo" in name]


def train(*, fails: bool) -> None:
    network = DistributedDataParallel(nn.Linear(4, 4))
    network(torch.ones(2, 4)).sum().backward()
    assert threads_of_gloo()
    if fails:
        try:
            raise ValueError
        except ValueError as error:
            raise UserError("the loss is nan") from error


def train_in_a_group(_rank: int, *, fails: bool) -> None:
    try:
        with process_group():
            train(fails=fails)
    except UserError as error:
        assert fails and str(error) == "the loss is nan"
        assert not threads_of_gloo()  # here, where its traceback is still there
    assert not threads_of_gloo()


@pytest.mark.slow
@pytest.mark.parametrize("fails", [False, True])
def test_no_thread_of_the_group_outlives_it(fails: bool) -> None:
    # One that did aborted the process now and then, as it ended.
    in_two_processes(partial(train_in_a_group, fails=fails))
