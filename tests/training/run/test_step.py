"""One step of the optimizer: what it moves, and what leaves its result as it is."""

from collections.abc import Sequence

import pytest
import torch

from rgbd.errors import UserError
from tests.support.small_step import SMALL, WARM, batch, config, draws, stepper
from training.config.schema import TrainingConfig
from training.data.loader import Batch
from training.run.step import Stepper


def moved(settings: TrainingConfig, batches: Sequence[Batch], steps: int = 1) -> Stepper:
    result = stepper(settings)
    for _ in range(steps):
        result.step(batches, draws(len(batches)), epoch=WARM)
    return result


def assert_same(one: Stepper, other: Stepper, *, parameters_only: bool = False) -> None:
    states = [dict(s.network.named_parameters()) if parameters_only else s.network.state_dict() for s in (one, other)]
    for key, value in states[0].items():
        torch.testing.assert_close(value, states[1][key], rtol=0, atol=0)


def test_the_gradient_of_several_batches_is_their_mean() -> None:
    assert_same(moved(config(), [batch()]), moved(config(), [batch(), batch()]), parameters_only=True)


def test_a_step_says_what_it_saw() -> None:
    figures = stepper(config()).step([batch(), batch(1)], draws(2), epoch=WARM)
    assert figures.clips == 8 and 0 <= figures.correct <= 8
    terms = {name: term / 8 for name, term in figures.terms.items()}
    heads = terms["ce_fused"] + 0.5 * (terms["ce_small"] + terms["ce_medium"] + terms["ce_large"])
    assert figures.loss / 8 == pytest.approx(heads + terms["distillation"], rel=1e-4)


def test_recomputed_activations_change_nothing() -> None:
    saving = config(compute={"checkpoint_activations": True})
    assert_same(moved(config(), [batch()], 2), moved(saving, [batch()], 2))


@pytest.mark.parametrize("autocast", ["bf16", "fp16"])
def test_half_precision_is_near_full(autocast: str) -> None:
    exact = stepper(config()).step([batch()], draws(1), epoch=WARM)
    half = stepper(config(compute={"autocast": autocast})).step([batch()], draws(1), epoch=WARM)
    assert half.loss == pytest.approx(exact.loss, rel=0.05)


def test_averaged_weights_follow_slowly() -> None:
    result = stepper(config(optimizer={"lr": 0.1, "ema_decay": 0.75}))
    assert result.averaged is not None
    seen = []
    for _ in range(2):
        result.step([batch()], draws(1), epoch=WARM)
        seen.append(next(result.network.parameters()).detach().clone())
    average = next(result.averaged.module.parameters())
    torch.testing.assert_close(average, 0.75 * seen[0] + 0.25 * seen[1])


def test_adam_heeds_weight_decay() -> None:
    sums = []
    for decay in (0.0, 0.5):
        result = moved(config(optimizer={"name": "adam", "lr": 0.01, "weight_decay": decay}), [batch()], 3)
        sums.append(sum(float(parameter.detach().abs().sum()) for parameter in result.network.parameters()))
    assert sums[1] < sums[0]


def test_a_loss_that_is_no_number_stops_the_run() -> None:
    result = stepper(config())
    with torch.no_grad():
        next(result.network.parameters()).fill_(float("nan"))
    with pytest.raises(UserError, match=r"the loss is nan \(ce_fused nan.*, the norm of its gradient nan"):
        result.step([batch()], draws(1), epoch=WARM)


def test_a_network_without_recoupling_and_guidance_learns_too() -> None:
    network = {**SMALL["network"], "recoupling": False, "guidance": False}  # type: ignore[dict-item]
    figures = stepper(config(network=network)).step([batch()], draws(1), epoch=WARM)
    assert figures.terms["distillation"] == 0


def test_a_mixed_batch_has_a_mixed_loss() -> None:
    settings = config(augment={"mixup": 0.8})
    same = Batch(batch().clips, torch.tensor([1, 1, 1, 1]), torch.arange(4))
    figures = stepper(settings).step([same], draws(1), epoch=0)
    heads = [figures.terms[f"ce_{name}"] for name in ("fused", "small", "medium", "large")]
    assert figures.loss == pytest.approx(heads[0] + 0.5 * sum(heads[1:]), rel=1e-4)


def test_kernels_are_laid_out_as_their_gradients_are() -> None:
    """Those of one pixel, too: their numbers lie in the same order either way, and torch goes by the strides."""
    kernels = [weight for weight in stepper(config()).network.parameters() if weight.dim() == 4]
    assert any(weight.shape[2:] == (1, 1) for weight in kernels)
    for weight in kernels:
        assert weight.stride() == torch.empty_like(weight, memory_format=torch.channels_last).stride()
