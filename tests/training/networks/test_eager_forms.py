"""The plain forms that benchmarks compare with answer as our networks do, so that they compute as much."""

import copy
from typing import Any

import pytest
import torch

from benchmarks.support.published import FAMILIES, published
from tests.support.checkpoints import CLASSES, SMALL
from tests.support.small_networks import SMALL_UMDR, clip, trained
from training.config.schema import TrainingConfig
from training.run.checkpoint import build_network


@pytest.mark.parametrize("network", [SMALL["network"], SMALL_UMDR], ids=FAMILIES)
@torch.no_grad()
def test_the_plain_form_answers_as_the_network(network: dict[str, Any]) -> None:
    torch.manual_seed(0)
    config = TrainingConfig.model_validate({**SMALL, "modality": "rgb", "network": network})
    ours = build_network(config, len(CLASSES))
    trained(ours)
    (frames, _) = clip(48)
    expected = ours(frames).heads()
    for form in FAMILIES[config.network.name].eager.values():
        plain = form(copy.deepcopy(ours)).eval()
        for name, scores in plain(*plain.prepared(frames)).heads().items():
            torch.testing.assert_close(scores, expected[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("family", "frames"), [("dsn", (16, 32, 48)), ("umdr", (8, 16, 24))])
def test_benchmarks_measure_the_published_networks(family: str, frames: tuple[int, ...]) -> None:
    config = published(family, "rgb")
    assert config.network.width == 1  # type: ignore[attr-defined]
    branches = build_network(config, 60).get_submodule("temporal" if family == "umdr" else "backbone.temporal").branches
    assert tuple(branch.num_frames for branch in branches.values()) == frames  # type: ignore[union-attr, operator]
