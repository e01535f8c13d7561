"""The networks for streams without end give each frame the features that a whole clip gives it."""

import pytest
import torch

from tests.support.live_forms import in_portions
from tests.support.small_networks import SMALL, clip, trained
from training.networks.dsn.config import NetworkConfig
from training.networks.dsn.fusion import FusionNet
from training.networks.dsn.live_form import live_form
from training.networks.dsn.single_stream import UnimodalNet


@pytest.mark.parametrize("at_a_time", [1, 7, 14])
@pytest.mark.parametrize("size", [64, 33, 50])
@pytest.mark.parametrize(
    "changes", [{}, {"guidance": False}, {"recoupling": False}, {"guidance_window": 9}, {"negative": True}]
)
@torch.no_grad()
def test_each_frame_gets_the_features_of_the_whole_clip(changes: dict[str, object], size: int, at_a_time: int) -> None:
    torch.manual_seed(0)
    config = {name: value for name, value in changes.items() if name != "negative"}
    network = UnimodalNet(NetworkConfig.model_validate({**SMALL, **config}), 5, 8)
    trained(network)
    if "negative" in changes:  # features become negative, so that the zeros beyond a pool's edges count
        network.backbone.spatial.guidance_weights.copy_(torch.tensor([-2.5, 0.3]))
    frames, _ = clip(size)
    form = live_form(network, "rgb", (size, size))
    features = in_portions(form, frames, "rgb", at_a_time)
    torch.testing.assert_close(features, network.backbone.features(frames), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(form.head(features).logits, network(frames).logits, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_fusion_too() -> None:
    torch.manual_seed(0)
    network = FusionNet(NetworkConfig.model_validate(SMALL), 5, 8)
    trained(network)
    clips = dict(zip(("rgb", "depth"), clip(48), strict=True))
    form = live_form(network, "rgb", (48, 48))
    features = [in_portions(form, frames, stream, 1) for stream, frames in clips.items()]
    for name, scores in form.head(*features).heads().items():
        torch.testing.assert_close(scores, network(*clips.values()).heads()[name], rtol=1e-3, atol=1e-3)
