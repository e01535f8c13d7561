"""How the networks learn: what moves, what decays, what is mixed, and what of the reference's ways can be repeated."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.support.small_networks import SMALL_UMDR
from tests.support.small_step import ALONE, batch, config, draws
from training.config.schema import TrainingConfig
from training.data.augmentation.active import active_augmentations
from training.data.augmentation.stages import choose_frames, mix
from training.data.loader import Batch
from training.networks.family import family_of
from training.networks.umdr.config import LossConfig
from training.networks.umdr.family import FAMILY
from training.networks.umdr.loss import distillation
from training.networks.umdr.single_stream import UnimodalNet
from training.run.checkpoint import build_network
from training.run.step import Stepper, build_optimizer
from training.run.trainer import batch_generator

STREAMS = {"rgb": "rgb.pt", "depth": "depth.pt"}
EPOCH = 6  # in which the distillation counts


def settings(modality: str = "rgb", **sections: Any) -> TrainingConfig:
    streams = {"streams": STREAMS} if modality == "rgbd" else {}
    return config(modality=modality, network=SMALL_UMDR, **streams, **sections)


def stepper(chosen: TrainingConfig) -> Stepper:
    torch.manual_seed(0)
    return Stepper(build_network(chosen, 3), chosen, ALONE)


def both_streams() -> Batch:
    clips, labels, indices = batch()
    return Batch((clips[0], batch(1).clips[0]), labels, indices)


def test_a_stream_learns_one_batch() -> None:
    result = stepper(settings(optimizer={"lr": 0.01, "nesterov": True, "decayed": "matrices"}))
    losses = [result.step([batch()], draws(1), epoch=0).loss for _ in range(25)]
    assert losses[-1] < 0.7 * losses[0]


def test_the_head_of_a_fusion_learns_and_nothing_else_moves() -> None:
    result = stepper(settings("rgbd", optimizer={"lr": 0.01}))
    before = {key: value.clone() for key, value in result.network.state_dict().items()}
    losses = [result.step([both_streams()], draws(1), epoch=0).loss for _ in range(12)]
    assert losses[-1] < 0.7 * losses[0]
    moved = {key for key, value in result.network.state_dict().items() if not torch.equal(value, before[key])}
    assert moved and all(key.startswith("head.") for key in moved)


def test_the_teacher_moves_in_the_references_way_alone() -> None:
    def moved_branches(*, attached_teacher: bool) -> bool:
        torch.manual_seed(0)
        network = build_network(settings(), 3)
        assert isinstance(network, UnimodalNet)
        output = network(batch().clips[0])
        distillation(output, 0.6, attached_teacher=attached_teacher).backward()
        return any(each.grad is not None for each in network.temporal.parameters())

    assert not moved_branches(attached_teacher=False)
    assert moved_branches(attached_teacher=True)
    gradients = []
    for legacy in ({}, {"attached_teacher": True}):
        result = stepper(settings(legacy=legacy, loss={"distillation": 50.0}, optimizer={"lr": 0.01}))
        result.step([batch()], draws(1), epoch=EPOCH)
        gradients.append(result.network.get_parameter("temporal.branches.small.class_token").detach().clone())
    assert not torch.equal(*gradients)


def test_the_distillation_counts_after_the_warm_up_and_an_epoch_more() -> None:
    chosen = settings(schedule={"warmup_epochs": 5})
    network = build_network(chosen, 3)
    output, labels = network(batch().clips[0]), batch().labels
    losses = [FAMILY.loss(output, labels, chosen, epoch) for epoch in (0, 5, 6)]
    heads = sum(weight * term for weight, term in zip((1, 0.5, 0.5, 0.5), losses[0].terms.values(), strict=False))
    torch.testing.assert_close(losses[0].total, heads)
    assert losses[1].total == losses[0].total
    torch.testing.assert_close(losses[2].total, heads + 0.2 * losses[2].terms["distillation"])


def test_matrices_decay_and_neither_biases_nor_norms_do() -> None:
    network = build_network(settings(), 3)
    optimizer = build_optimizer(
        network, settings(optimizer={"lr": 0.1, "momentum": 0, "weight_decay": 0.5, "decayed": "matrices"}).optimizer
    )
    before = {key: each.detach().clone() for key, each in network.named_parameters()}
    for each in network.parameters():
        each.grad = torch.zeros_like(each)
    optimizer.step()
    for key, each in network.named_parameters():
        torch.testing.assert_close(each.detach(), before[key] * (0.95 if each.dim() > 1 else 1.0), msg=key)
    decayed = {key for key, each in network.named_parameters() if not torch.equal(each, before[key])}
    assert "temporal.branches.small.class_token" in decayed and "spatial.conv1.conv.weight" in decayed
    assert not any(key.endswith(".bias") or ".norm." in key for key in decayed)


def test_nesterov_looks_ahead() -> None:
    moved = []
    for nesterov in (False, True):
        parameter = nn.Linear(1, 1, bias=False)
        optimizer = build_optimizer(parameter, settings(optimizer={"lr": 0.1, "nesterov": nesterov}).optimizer)
        start = parameter.weight.item()
        parameter.weight.grad = torch.ones_like(parameter.weight)
        optimizer.step()
        moved.append(start - parameter.weight.item())
    assert moved == pytest.approx([0.1, 0.19], rel=0.01)


MIXED = {"mixup": 0.8, "shufflemix": 0.3, "shufflemix_share": 0.2}


@pytest.mark.parametrize("as_published", [False, True])
def test_streams_are_mixed_alike_unless_as_published(as_published: bool) -> None:
    """The loss of a batch is that of both labels by their shares: of both streams, or of each."""
    chosen = settings("rgbd", augment=MIXED, legacy={"mixing": as_published}, loss={"label_smoothing": 0.1})
    result, given = stepper(chosen), both_streams()
    seed = int(draws(1)[0].integers(2**63))  # what the step draws first
    active = active_augmentations(chosen.augment, as_published=as_published).batch
    if as_published:
        mixes = [mix(active, (clip,), (seed, number)) for number, clip in enumerate(given.clips)]
    else:
        mixes = [mix(active, given.clips, (seed,))] * 2
    rgb, depth = mixes
    assert rgb is not None and depth is not None
    assert (rgb.share == depth.share) is not as_published
    network = result.network.train()
    torch.manual_seed(seed)
    output = network(rgb.clips[0], depth.clips[-1])
    expected = 0.0
    for stream, mixed in (("rgb", rgb), ("depth", depth)):
        scores = output.rgb if stream == "rgb" else output.depth
        ours, theirs = (
            nn.functional.cross_entropy(scores, labels, label_smoothing=0.1)
            for labels in (given.labels, given.labels[mixed.partners])
        )
        expected += (mixed.share * ours + (1 - mixed.share) * theirs).item()
    figures = result.step([given], draws(1), epoch=0)
    assert figures.loss / figures.clips == pytest.approx(expected, rel=1e-4)
    assert figures.terms.keys() == {"ce_rgb", "ce_depth"} and not figures.judged


def test_a_loss_of_both_streams_together_has_no_labels_for_each() -> None:
    message = "legacy.mixing mixes RGB and depth independently, and the loss of network.name dsn is of both together"
    with pytest.raises(ValueError, match=message):
        config(modality="rgbd", streams=STREAMS, legacy={"mixing": True})


def test_of_an_odd_batch_the_middle_stays_as_published() -> None:
    clips = (torch.randint(0, 255, (5, 8, 2, 2, 3), dtype=torch.uint8),)
    mixed = mix(active_augmentations(settings(augment=MIXED).augment, as_published=True).batch, clips, (1,))
    assert mixed is not None and mixed.partners.tolist() == [4, 3, 2, 1, 0]
    assert torch.equal(mixed.clips[0][2], clips[0][2])


def test_the_answer_is_the_figure_and_the_references_best_an_extra() -> None:
    """Of five sums of heads the reference takes the best, here that of the small and the medium branch."""
    wrong, right = torch.tensor([[0.0, 1.0]]), torch.tensor([[9.0, 0.0]])
    scores = {"logits": wrong, "logits_small": right, "logits_medium": wrong, "logits_large": 30 * wrong}
    assert FAMILY.own_figures(scores, torch.tensor([0])) == {"legacy_max": 1.0}
    scores["logits_small"] = wrong
    assert FAMILY.own_figures(scores, torch.tensor([0])) == {"legacy_max": 0.0}
    fused = {"logits": wrong, "logits_streams": right, "logits_rgb": right}
    assert FAMILY.own_figures(fused, torch.tensor([0])) == {"legacy_max": 1.0}
    assert FAMILY.own_figures({"logits": right}, torch.tensor([0])) == {}


def test_processes_mix_their_batches_differently() -> None:
    active = active_augmentations(settings(augment=MIXED).augment).batch
    seeds = [int(batch_generator(0, 3, 5, rank).integers(2**63)) for rank in range(4)]
    mixes = [mix(active, batch().clips, (seed,)) for seed in seeds]
    assert len({mixed.share for mixed in mixes if mixed is not None}) == 4


def test_class_weights_count() -> None:
    chosen = settings(loss={"class_weights": (1.0, 1.0, 9.0), "heads": (1, 0, 0, 0)})
    assert isinstance(chosen.loss, LossConfig) and family_of(chosen).weighs_classes
    output, labels = build_network(chosen, 3)(batch().clips[0]), batch().labels
    expected = nn.functional.cross_entropy(
        output.logits, labels, weight=torch.tensor([1.0, 1.0, 9.0]), label_smoothing=0.1
    )
    torch.testing.assert_close(FAMILY.loss(output, labels, chosen, 0).total, expected)


def test_training_draws_every_frame_the_last_too() -> None:
    active = active_augmentations(settings().augment).frames
    frames = [choose_frames(active, num_frames=40, num_bins=32, key=(number,)) for number in range(200)]
    assert set(np.concatenate(frames).tolist()) == set(range(40))
    network = build_network(settings(), 3)
    assert isinstance(network, UnimodalNet)
    seen = []
    network.temporal.branches.small.inception.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    features = torch.arange(8.0)[None, :, None].expand(1, 8, 64)
    for seed in range(20):
        network.temporal(features, np.random.default_rng(seed))
    assert set(torch.stack(seen)[:, 0, 0].flatten().tolist()) == set(map(float, range(8)))
