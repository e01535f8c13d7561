"""What the networks do beside the reference's numbers: any batch, frozen streams, forms for inference, limits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from export.build.graph import InferenceGraph
from rgbd.errors import ConfigError
from tests.support.small_networks import SMALL_UMDR, clip, trained
from training.config.loading import load_config
from training.networks.family import Form
from training.networks.umdr.config import NetworkConfig
from training.networks.umdr.family import FAMILY
from training.networks.umdr.fusion import FusionNet
from training.networks.umdr.recoupling import Recoupling
from training.networks.umdr.single_stream import UnimodalNet

NUM_FRAMES = 8
CONFIG = NetworkConfig.model_validate(SMALL_UMDR)


def unimodal() -> UnimodalNet:
    torch.manual_seed(0)
    network = UnimodalNet(CONFIG, 5, NUM_FRAMES)
    trained(network)
    return network


def fusion() -> FusionNet:
    torch.manual_seed(0)
    network = FusionNet(CONFIG, 5, NUM_FRAMES)
    trained(network)
    return network


@pytest.mark.parametrize("make", [unimodal, fusion])
@torch.no_grad()
def test_a_clip_is_answered_alone_as_in_a_batch(make: Callable[[], nn.Module]) -> None:
    network, clips = make(), clip(48)[: 1 if make is unimodal else 2]
    batch = network(*clips).heads()
    for name, scores in network(*(each[1:] for each in clips)).heads().items():
        torch.testing.assert_close(scores, batch[name][1:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", [unimodal, fusion])
@pytest.mark.parametrize("size", [64, 33])
@pytest.mark.parametrize("form", ["frames", "volumes"])
@torch.no_grad()
def test_the_form_for_inference_answers_as_the_network(make: Callable[[], nn.Module], size: int, form: Form) -> None:
    network, clips = make(), clip(size)[: 1 if make is unimodal else 2]
    ours = FAMILY.inference_form(network, form)
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in ours.modules())
    expected, actual = (each(*clips).heads() for each in (network, ours))
    for name, scores in expected.items():
        torch.testing.assert_close(actual[name], scores, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_evaluation_draws_nothing_and_training_its_frames() -> None:
    network, (frames, _) = unimodal(), clip(32)
    state = {key: value.clone() for key, value in network.state_dict().items()}
    first, second = network(frames), network(frames)
    assert torch.equal(first.logits, second.logits)
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    drawn = network(frames, rng=np.random.default_rng(0))
    assert not torch.equal(drawn.small, first.small), "one of two frames"
    assert torch.equal(drawn.medium, first.medium), "each frame"


def test_the_streams_of_a_fusion_are_frozen_while_it_trains() -> None:
    network, (rgb, depth) = fusion().train(), clip(32)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network(rgb, depth, rng=np.random.default_rng(0)).rgb.sum().backward()
    assert {key.split(".")[0] for key, each in network.named_parameters() if each.grad is not None} == {"head"}
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items()), "batch norms, too"
    assert not network.rgb.training and not network.depth.training and network.head.training


@torch.no_grad()
def test_streams_that_join_keep_their_weights_and_temperatures() -> None:
    network, rgb, depth = FusionNet(CONFIG, 5, NUM_FRAMES).eval(), unimodal(), unimodal()
    rgb.tau.fill_(0.07)
    depth.tau.fill_(0.05)
    FAMILY.join_streams(network, {"rgb": rgb, "depth": depth})
    clips = clip(32)
    output = network(*clips).heads()
    torch.testing.assert_close(output["logits_rgb"], rgb(clips[0]).logits)
    torch.testing.assert_close(output["logits_depth"], depth(clips[1]).logits)
    torch.testing.assert_close(output["logits_streams"], (output["logits_rgb"] + output["logits_depth"]) / 2)
    own = output["logits_rgb_head"] + output["logits_depth_head"]
    torch.testing.assert_close(output["logits"], (2 * output["logits_streams"] + own) / 4)


@torch.no_grad()
def test_a_channel_that_reads_itself_alone_doubles_where_the_gate_is_open() -> None:
    recoupling = Recoupling(num_frames=2, dim=4)
    x = torch.tensor([1.0, 5.0]).repeat(2, 1)[..., None, None].expand(2, 2, 3, 3)  # two frames of two channels
    for part in (recoupling.query, recoupling.key):
        part.weight.zero_()
        part.weight[:16, 0] = part.weight[16:, 1] = 10.0  # scores grow with both channels: each reads the second
    recoupling.time_gate[3].bias.copy_(torch.tensor([50.0, -50.0]))  # the first frame's is open, the second's closed
    recoupling.time_gate[3].weight.zero_()
    output, feature = recoupling(x)
    assert output[:, :, 0, 0].tolist() == [[6.0, 10.0], [1.0, 5.0]]
    torch.testing.assert_close(feature, recoupling.distil(torch.tensor([[50.0, -50.0]])))


def test_activations_that_are_computed_again_change_nothing() -> None:
    def norms(*, saving: bool) -> list[Tensor]:
        network = unimodal().train()
        network.spatial.checkpoint_activations = saving
        torch.manual_seed(1)
        network(clip(32)[0]).logits.sum().backward()
        return [each.grad for each in network.parameters() if each.grad is not None] + list(network.buffers())

    for ours, again in zip(norms(saving=False), norms(saving=True), strict=True):
        torch.testing.assert_close(again, ours, rtol=1e-4, atol=1e-5)


def test_low_precision_leaves_recoupling_in_float32() -> None:
    names = FAMILY.low_precision(fusion())
    assert {name.partition(".")[0] for name in names} == {"rgb", "depth"} and len(names) == 12
    assert not any("recoupling" in name or "project" in name for name in names)


@torch.no_grad()
def test_low_precision_is_near_full() -> None:
    network, clips = fusion(), clip(48)
    exact, half = (InferenceGraph(network, FAMILY, "frames", precision)(*clips)[0] for precision in ("fp32", "bf16"))
    assert 0 < (exact - half).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("network.branch_divisor=33", "branch_divisor 33 leaves the small branch none of the 32 frames"),
        ("network.kept_scores=0.05", "kept_scores 0.05 keeps none of the small branch's 17 scores"),
        ("network.num_blocks=2", r"network\.num_blocks: .*greater than or equal to 3"),
        ("network.num_heads=7", "num_heads 7 must divide the token width 512"),
        ("loss.heads=[0,0,0,0]", "heads are all 0"),
        ("network.guidance=false", r"network\.guidance: is an unknown key"),
        ("optimizer.momentum=0", "nesterov is a kind of momentum"),
    ],
)
def test_settings_that_cannot_be(settings: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(Path("configs/umdr/NTU.yml"), [settings])


def test_published_rates_of_a_plateau_do_not_exist() -> None:
    with pytest.raises(ConfigError, match=r"legacy\.warmup repeats the published cosine, or steps"):
        load_config(Path("configs/umdr/NTU.yml"), ["legacy.warmup=true", "schedule.name=plateau"])
