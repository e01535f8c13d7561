"""The networks against numbers that the reference implementation produced (tests/golden/umdr), in float64."""

from collections import defaultdict
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.golden.device import DEVICE
from tests.training.networks.umdr.goldens import (
    DIVISORS,
    NUM_CLASSES,
    PUBLISHED,
    close,
    golden,
    gradient_norms,
    labels_of,
    mixed_clip,
    seeded_clip,
    seeded_state,
    seeded_stream,
    without_dropout,
)
from training.config.schema import OptimizerConfig, TrainingConfig
from training.networks.dsn.temporal import BRANCHES
from training.networks.family import Loss
from training.networks.umdr.config import LossConfig, NetworkConfig
from training.networks.umdr.family import FAMILY
from training.networks.umdr.fusion import FusionNet, FusionOutput
from training.networks.umdr.loss import unimodal_loss
from training.networks.umdr.reference_weights import UmdrWeights, reference_key, reference_shape
from training.networks.umdr.single_stream import UnimodalNet, UnimodalOutput
from training.run.step import build_optimizer

TARGET_SEEDS = {16: 605, 32: 615}
FUSION_SEED = 635
REL = 1e-4


@pytest.mark.parametrize(
    ("num_frames", "millions", "of_head"), [(16, 37.92, 23.73), (32, 38.18, 23.75), (64, 38.56, 23.78)]
)
def test_networks_are_as_large_as_published(num_frames: int, millions: float, of_head: float) -> None:
    with torch.device("meta"):
        network = FusionNet(NetworkConfig(branch_divisor=DIVISORS[num_frames]), NUM_CLASSES, num_frames)
    sizes = [sum(each.numel() for each in part.parameters()) / 1e6 for part in (network.rgb, network.head, network)]
    assert sizes == pytest.approx([millions, of_head, 2 * millions + of_head], abs=0.01)
    assert len(list(network.rgb.parameters())) == 415
    assert names_and_shapes(network.rgb) == golden(f"state_dict_unimodal_t{num_frames}")


def test_state_dict_of_the_fusion_has_the_head_alone() -> None:
    with torch.device("meta"):
        network = FusionNet(PUBLISHED, NUM_CLASSES, 32)
    assert names_and_shapes(network) == golden("state_dict_fusion_t32")


def names_and_shapes(network: nn.Module) -> dict[str, list[int]]:
    named = {key: (reference_key(key), value.shape) for key, value in network.state_dict().items()}
    return {name: list(reference_shape(key, tuple(shape))) for key, (name, shape) in named.items() if name is not None}


def loss_of(
    output: UnimodalOutput, labels: Tensor, share: float = 1.0, *, distil: float, attached: bool = True
) -> Loss:
    """Return the loss for labels that are mixed with those of the batch from behind."""
    config = LossConfig()
    losses = [
        unimodal_loss(output, each, config, distil=distil, attached_teacher=attached)
        for each in (labels, labels.flip(0))
    ]
    terms = {name: share * term + (1 - share) * losses[1].terms[name] for name, term in losses[0].terms.items()}
    return Loss(share * losses[0].total + (1 - share) * losses[1].total, terms)


def watched(network: UnimodalNet) -> dict[str, list[Tensor]]:
    """Record the gates and outputs of the recouplings, and the class tokens after every block."""
    seen: dict[str, list[Tensor]] = defaultdict(list)

    def on_gate(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        seen["gate"].append(torch.sigmoid(output))

    def on_recoupling(_module: nn.Module, _inputs: Any, output: tuple[Tensor, Tensor]) -> None:
        seen["output"].append(output[0])

    def on_block(name: str, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
        seen[name].append(output[:, 0])

    for recoupling in network.spatial.recouplings:
        recoupling.register_forward_hook(on_recoupling)
        recoupling.get_submodule("time_gate").register_forward_hook(on_gate)
    for name in BRANCHES:
        for block in network.get_submodule(f"temporal.branches.{name}.blocks").children():
            block.register_forward_hook(partial(on_block, name))
    return seen


@pytest.mark.parametrize("num_frames", TARGET_SEEDS)
@torch.no_grad()
def test_unimodal_evaluation(num_frames: int) -> None:
    expected = golden(f"unimodal_t{num_frames}_eval")
    network = seeded_stream(num_frames, tau=0.04).eval()
    seen = watched(network)
    output = network.classify(seeded_clip(expected["input"]))
    for name, ours in zip(("fused", *BRANCHES), output, strict=False):
        close(ours, expected[name])
    close(torch.stack(seen["gate"]), expected["recoupling_gate"], 1e-6)
    means = [x.unflatten(0, (-1, num_frames)).mean((1, 3, 4))[:, :4] for x in seen["output"]]
    close(torch.stack(means), expected["recoupling_output_mean_channel0to3"], 1e-5)
    close(torch.stack(output.students)[..., :8], expected["recoupling_feature_first8"], 1e-6)
    close(output.features[:, 0, :16], expected["spatial_feature_frame0_first16"], 1e-6)
    close(output.features[:, -1, :16], expected["spatial_feature_last_frame_first16"], 1e-6)
    for name in BRANCHES:
        close(torch.stack(seen[name])[..., :4], expected["class_token_first4"][name], 1e-6)
    labels = labels_of(expected["input"], TARGET_SEEDS[num_frames])
    hard = unimodal_loss(output, labels, LossConfig(label_smoothing=0), distil=0, attached_teacher=False)
    for name in ("ce_fused", "ce_small", "ce_medium", "ce_large", "distillation"):
        assert hard.terms[name].item() == pytest.approx(expected[name], rel=REL), name
    assert hard.total.item() == pytest.approx(expected["total"], rel=REL)


@pytest.mark.slow
@pytest.mark.parametrize("num_frames", TARGET_SEEDS)
def test_unimodal_training_step(num_frames: int) -> None:
    """Losses, every gradient and the step that follows: of one that is mixed, too, and with the teacher attached."""
    expected = golden(f"unimodal_t{num_frames}_train_step")
    given = expected["input"]
    network = seeded_stream(num_frames, tau=0.04).train()
    clip, share = mixed_clip(seeded_clip(given), given["mixing"])
    labels, distil = labels_of(given, TARGET_SEEDS[num_frames]), given["distill_weight"]
    loss = loss_of(network.classify(clip), labels, share, distil=distil)
    for name in ("ce_fused", "ce_small", "ce_medium", "ce_large"):
        assert loss.terms[name].item() == pytest.approx(expected[name], rel=REL), name
    assert distil * loss.terms["distillation"].item() == pytest.approx(expected["distillation_weighted"], rel=REL)
    assert loss.total.item() == pytest.approx(expected["total"], rel=REL)
    close(network.spatial.conv1.norm.running_mean[:8], expected["running_mean_stem0"], 1e-6)
    last_pool = network.get_submodule("spatial.stages.2.second.b3b.norm")
    close(last_pool.get_buffer("running_var")[:8], expected["running_var_last_inception_b3b"], 1e-5)

    loss.total.backward()
    ours = gradient_norms(network)
    assert ours.keys() == expected["grad_l2"].keys()
    far = {key: (ours[key], norm) for key, norm in expected["grad_l2"].items() if ours[key] != pytest.approx(norm, REL)}
    assert not far

    after = expected["after_one_sgd_step"]
    optimizer = build_optimizer(network, OptimizerConfig(nesterov=True, weight_decay=5e-4, decayed="matrices"))
    norm = nn.utils.clip_grad_norm_(network.parameters(), after["clip"])
    assert norm.item() == pytest.approx(expected["gradient_norm_before_clipping"], rel=REL)
    optimizer.step()
    with torch.no_grad():
        loss = loss_of(network.classify(clip), labels, share, distil=distil)
    assert loss.terms["ce_fused"].item() == pytest.approx(after["ce_fused"], rel=REL)
    assert distil * loss.terms["distillation"].item() == pytest.approx(after["distillation_weighted"], rel=REL)
    assert loss.total.item() == pytest.approx(after["total"], rel=REL)


@pytest.fixture(scope="module")
def fusion() -> FusionNet:
    """The published fusion with the golden weights, its streams from epochs of their own."""
    given = golden("fusion_t32_eval")["input"]
    network = FusionNet(PUBLISHED, NUM_CLASSES, 32)
    rgb = seeded_stream(32, given["temperature_rgb"], "Modalit_rgb.")
    depth = seeded_stream(32, given["temperature_depth"], "Modalit_depth.")
    network.double().to(DEVICE)
    FAMILY.join_streams(network, {"rgb": rgb, "depth": depth})
    network.load_state_dict(UmdrWeights().to_ours(seeded_state("fusion_t32"), network.state_dict()))
    without_dropout(network)
    return network


FUSION = TrainingConfig.model_validate(
    {"modality": "rgbd", "network": {"name": "umdr"}, "streams": {"rgb": "a", "depth": "b"}}
)


def fused(network: FusionNet, rgb: Tensor, depth: Tensor) -> FusionOutput:
    return network.fuse(network.rgb.classify(rgb), network.depth.classify(depth))


@torch.no_grad()
def test_fusion_evaluation(fusion: FusionNet) -> None:
    expected = golden("fusion_t32_eval")
    given = expected["input"]
    output = fused(fusion.eval(), seeded_clip(given, "seed_rgb"), seeded_clip(given, "seed_depth"))
    for stream, ours in (("rgb", output.rgb_stream), ("depth", output.depth_stream)):
        for name, scores in zip(("fused", *BRANCHES), ours, strict=False):
            close(scores, expected[f"stream_{stream}"][name])
        close(ours.features[:, 0, :8], expected[f"spatial_{stream}_frame0_first8"], 1e-6)
        close(ours.token[:, :8], expected[f"temporal_{stream}_first8"], 1e-6)
    close(output.rgb, expected["out_rgb"])
    close(output.depth, expected["out_depth"])
    heads = output.heads()
    close(heads["logits_streams"], expected["score_fusion"])
    close(heads["logits"], expected["fusion_score"])
    labels = labels_of(given, FUSION_SEED)
    hard = FUSION.model_copy(update={"loss": LossConfig(label_smoothing=0)})
    loss = FAMILY.loss(output, labels, hard, epoch=0)
    assert loss.terms["ce_rgb"].item() == pytest.approx(expected["ce_out_rgb"], rel=REL)
    assert loss.terms["ce_depth"].item() == pytest.approx(expected["ce_out_depth"], rel=REL)
    assert loss.total.item() == pytest.approx(expected["total"], rel=REL)


@pytest.mark.slow
def test_fusion_training_step(fusion: FusionNet) -> None:
    """Streams that are mixed apart, frozen and in evaluation; the head's gradients."""
    expected = golden("fusion_t32_train_step")
    given = expected["input"]
    rgb, rgb_share = mixed_clip(seeded_clip(given, "seed_rgb"), given["mixing_rgb"])
    depth, depth_share = mixed_clip(seeded_clip(given, "seed_depth"), given["mixing_depth"])
    output = fused(fusion.train(), rgb, depth)
    labels = labels_of(given, FUSION_SEED)
    totals = {}
    for stream, share in (("rgb", rgb_share), ("depth", depth_share)):
        one, other = (FAMILY.stream_loss(output, stream, each, FUSION, 0).total for each in (labels, labels.flip(0)))
        totals[stream] = share * one + (1 - share) * other
        assert totals[stream].item() == pytest.approx(expected[f"loss_{stream}"], rel=REL)
    (totals["rgb"] + totals["depth"]).backward()
    ours = gradient_norms(fusion)
    assert ours.keys() == expected["grad_l2"].keys()
    far = {key: (ours[key], norm) for key, norm in expected["grad_l2"].items() if ours[key] != pytest.approx(norm, REL)}
    assert not far
