"""What a network of the second family looked at: maps, gates and attention are those of its answer."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.support.small_networks import SMALL_UMDR, clip, trained
from training.networks.dsn.guidance import normalise
from training.networks.umdr.config import NetworkConfig
from training.networks.umdr.family import FAMILY
from training.networks.umdr.fusion import FusionNet
from training.networks.umdr.single_stream import UnimodalNet

CONFIG = NetworkConfig.model_validate(SMALL_UMDR)


@pytest.mark.parametrize("kind", [UnimodalNet, FusionNet])
def test_activation_gates_and_attention_are_the_networks(kind: Callable[..., nn.Module]) -> None:
    torch.manual_seed(0)
    network = kind(CONFIG, 5, 8)
    trained(network)
    clips = clip(64, batch=1)[: 1 if kind is UnimodalNet else 2]
    before = network(*clips).logits
    explanation = FAMILY.explain(network, clips, 1)
    assert len(explanation.streams) == len(clips) and explanation.head_names == tuple(network(*clips).heads())
    for stream in explanation.streams:
        (activation,) = (maps.values for maps in stream.maps)
        assert activation.shape == (8, 2, 2) and activation.max() == 1 and activation.min() >= 0
        gates = stream.matrices["gates"]
        assert gates.shape == (3, 8) and (gates > 0).all() and (gates < 1).all() and np.ptp(gates) > 0.1
        sizes = {name: stream.matrices[name].shape for name in ("small", "medium", "large")}
        assert sizes == {"small": (5, 5), "medium": (9, 9), "large": (13, 13)}
        for name in sizes:
            np.testing.assert_allclose(stream.matrices[name].sum(1), 1, rtol=1e-5)
    assert torch.equal(network(*clips).logits, before)  # and it is left as it was


def test_activation_is_what_the_score_gains_by_stronger_features() -> None:
    torch.manual_seed(0)
    network = UnimodalNet(CONFIG, 5, 8)
    trained(network)
    (frames,) = clip(64, batch=1)[:1]
    activation = FAMILY.explain(network, (frames,), 1).streams[0].maps[0].values
    exact, pixels = network.double(), normalise(frames).double()  # the gains are small

    def score(place: tuple[int, ...], factor: float) -> float:
        strength = torch.ones(8, 1, 2, 2, dtype=torch.float64)
        strength[place[0], 0, place[1], place[2]] = factor

        def stronger(_module: object, _inputs: object, output: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            return output[0] * strength, output[1]

        with exact.spatial.recouplings[-1].register_forward_hook(stronger), torch.no_grad():
            return float(exact.classify(pixels).logits[0, 1])

    gains = np.array([score(place, 1 + 1e-5) - score(place, 1 - 1e-5) for place in np.ndindex(8, 2, 2)]).reshape(
        8, 2, 2
    )
    np.testing.assert_allclose(activation, np.maximum(gains / gains.max(), 0), atol=1e-3)
