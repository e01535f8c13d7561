"""The stream that graphs for streams are compared on is long enough, however few clips there are."""

import numpy as np
import pytest
import torch

from export.verification.live import long_recording
from tests.support.small_networks import SMALL
from training.networks.dsn.config import NetworkConfig
from training.networks.dsn.live_form import live_form
from training.networks.dsn.single_stream import UnimodalNet


@pytest.mark.parametrize(("sizes", "num_frames"), [([1], 8), ([1], 64), ([1, 2, 8, 1, 1], 16)])
def test_it_is_made_of_the_last_clips_as_often_as_it_takes(sizes: list[int], num_frames: int) -> None:
    form = live_form(UnimodalNet(NetworkConfig.model_validate(SMALL), 3, 8), "rgb", (32, 32))
    numbers = iter(range(sum(sizes)))
    batches = [
        {"rgb": np.stack([np.full((num_frames, 2, 2, 3), next(numbers), np.uint8) for _ in range(size)])}
        for size in sizes
    ]
    frames = long_recording(batches, form, num_frames)["rgb"]
    margin = max(form.lag, form.history)
    assert len(frames) % num_frames == 0 and len(frames) >= num_frames + 2 * margin
    assert frames[0, 0, 0, 0] == sum(sizes) - 1
    assert torch.from_numpy(frames).shape[1:] == (2, 2, 3)
