"""The networks for streams without end answer a window of inner frames as the networks answer that clip.

A whole clip's first and last frames have zeros beside them here, too, so that all of its frames can be compared.
"""

import pytest
import torch
from torch import nn

from rgbd.types import Stream
from tests.support.live_forms import in_portions
from tests.support.small_networks import SMALL_UMDR, clip, trained
from training.networks.umdr.config import NetworkConfig
from training.networks.umdr.fusion import FusionNet
from training.networks.umdr.live_form import live_form
from training.networks.umdr.single_stream import UnimodalNet

CONFIG = NetworkConfig.model_validate(SMALL_UMDR)
STREAMS: tuple[Stream, ...] = ("rgb", "depth")


def made(kind: type[UnimodalNet] | type[FusionNet]) -> UnimodalNet | FusionNet:
    torch.manual_seed(0)
    network = kind(CONFIG, 5, 8)
    trained(network)
    return network


@pytest.mark.parametrize("at_a_time", [1, 5, 10])
@pytest.mark.parametrize("size", [64, 33, 50])
@pytest.mark.parametrize("kind", [UnimodalNet, FusionNet])
@torch.no_grad()
def test_it_answers_as_the_network(kind: type[UnimodalNet] | type[FusionNet], size: int, at_a_time: int) -> None:
    network, clips = made(kind), clip(size)[: 1 if kind is UnimodalNet else 2]
    form = live_form(network, "rgb", (size, size))
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in form.head.modules())
    streams = STREAMS[: len(clips)]
    features = [in_portions(form, frames, stream, at_a_time) for stream, frames in zip(streams, clips, strict=True)]
    for stream, ours, frames in zip(streams, features, clips, strict=True):
        assert ours.shape == (2, 8, form.dim)
        torch.testing.assert_close(ours, form.at_once[stream](frames), rtol=1e-4, atol=1e-5)
    expected = network(*clips).heads()
    for name, scores in form.head(*features).heads().items():
        torch.testing.assert_close(scores, expected[name], rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_a_stream_is_longer_than_a_clip() -> None:
    """Its inner frames have their true neighbours on both sides, also where one clip's worth of them ends."""
    network, (frames, _) = made(UnimodalNet), clip(48, num_frames=21)
    form = live_form(network, "rgb", (48, 48))
    ours = in_portions(form, frames, "rgb", 3)
    torch.testing.assert_close(ours, form.at_once["rgb"](frames), rtol=1e-4, atol=1e-5)
