"""The forms for inference answer as the network does, at every size, with and without its parts."""

import pytest
import torch
from torch import nn

from tests.support.small_networks import SMALL, clip, trained
from training.networks.dsn.config import NetworkConfig
from training.networks.dsn.fusion import FusionNet
from training.networks.dsn.guidance import normalise, rank_pool
from training.networks.dsn.inference_forms import Form, RankPoolAtOnce, inference_form
from training.networks.dsn.single_stream import UnimodalNet


@pytest.mark.parametrize("form", ["frames", "volumes"])
@pytest.mark.parametrize("size", [64, 48, 33, 50])
@torch.no_grad()
def test_both_forms_answer_as_the_network(form: Form, size: int) -> None:
    torch.manual_seed(0)
    network = UnimodalNet(NetworkConfig.model_validate(SMALL), 5, 8)
    trained(network)
    ours = inference_form(network, form)
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in ours.modules())
    expected, actual = (net(clip(size)[0]).heads() for net in (network, ours))
    for name, head in expected.items():
        torch.testing.assert_close(actual[name], head, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", ["frames", "volumes"])
@pytest.mark.parametrize(
    "changes", [{"guidance": False}, {"recoupling": False}, {"guidance_window": 9}, {"negative": True}]
)
@torch.no_grad()
def test_without_a_part_and_with_weights_that_turn_the_guidance_around(form: Form, changes: dict[str, object]) -> None:
    torch.manual_seed(0)
    config = {name: value for name, value in changes.items() if name != "negative"}
    network = UnimodalNet(NetworkConfig.model_validate({**SMALL, **config}), 5, 8)
    trained(network)
    if "negative" in changes:  # features become negative, so that the zeros beyond a pool's edges count
        network.backbone.spatial.guidance_weights.copy_(torch.tensor([-2.5, 0.3]))
    expected, actual = (net(clip(48)[0]).logits for net in (network, inference_form(network, form)))
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", ["frames", "volumes"])
@torch.no_grad()
def test_fusion_too(form: Form) -> None:
    torch.manual_seed(0)
    network = FusionNet(NetworkConfig.model_validate(SMALL), 5, 8)
    trained(network)
    expected, actual = (net(*clip(48)).heads() for net in (network, inference_form(network, form)))
    for name, head in expected.items():
        torch.testing.assert_close(actual[name], head, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("window", "num_frames"), [(10, 16), (4, 16), (10, 9), (1, 5)])
def test_guidance_at_once_is_guidance(window: int, num_frames: int) -> None:
    (frames, _) = clip(50, num_frames)
    frames[0, :, 10:] = 128  # still, but for a strip
    expected = rank_pool(normalise(frames), window).squeeze(2)
    torch.testing.assert_close(RankPoolAtOnce(window)(frames.float()), expected, rtol=1e-4, atol=1e-5)
