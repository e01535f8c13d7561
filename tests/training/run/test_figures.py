"""What the figures of training mean: all processes, the whole epoch, and losses whose terms add up."""

import numpy as np
import pytest
import torch

from tests.support.checkpoints import SMALL
from tests.support.two_processes import in_two_processes
from training.config.schema import TrainingConfig
from training.data.loader import Batch
from training.networks.dsn.config import LossConfig
from training.run.checkpoint import build_network
from training.run.display import Display
from training.run.distributed import Process, process_group
from training.run.figures import EpochFigures, StepFigures
from training.run.step import Stepper

ALONE = Process(0, 1, torch.device("cpu"))


def a_step(loss: float, correct: int, clips: int) -> StepFigures:
    return StepFigures(loss=loss * clips, terms={"ce": loss * clips}, correct=correct, judged=clips, clips=clips)


def of_one(rank: int) -> None:
    """Be one of two processes: the first sees two clips, both named rightly, the second six, none of them."""
    with process_group() as process:
        figures = EpochFigures.going_on({}, process)
        figures.seconds = 100.0
        figures.add(a_step(*((1.0, 2, 2), (3.0, 0, 6))[rank]), rate=0.1, waited_s=2.0 * rank)
        total = figures.over_all(process)
    means = total.means()
    assert (means["loss"], means["loss_ce"], means["top1"]) == (2.5, 2.5, 0.25)
    assert (total.sums.clips, total.waited_s) == (8, 1.0)
    assert figures.means()["clips_per_s"] == pytest.approx(2 * (2, 6)[rank] / 100, rel=0.2), "as if both did as much"


@pytest.mark.slow
def test_an_epoch_is_that_of_all_processes() -> None:
    in_two_processes(of_one)


def test_an_epoch_that_goes_on_is_a_whole_one() -> None:
    before = EpochFigures()
    before.add(a_step(4.0, 1, 2), rate=0.1, waited_s=1.0)
    after = EpochFigures.going_on(before.state(), ALONE)
    after.add(a_step(1.0, 2, 4), rate=0.1, waited_s=0.5)
    means = after.over_all(ALONE).means()
    assert (means["loss"], means["top1"]) == (2.0, 0.5) and after.waited_s == 1.5


@pytest.mark.parametrize("mixing", ["mixup", "shufflemix"])
def test_terms_of_mixed_clips_add_up_to_the_loss_and_no_answer_is_judged(mixing: str) -> None:
    torch.manual_seed(0)
    config = TrainingConfig.model_validate({**SMALL, "modality": "rgb", "augment": {mixing: 0.8}})
    stepper = Stepper(build_network(config, 3), config, ALONE)
    clips = torch.randint(0, 255, (4, 8, 32, 32, 3), dtype=torch.uint8)
    batch = Batch((clips,), torch.tensor([0, 1, 2, 0]), torch.arange(4))
    figures = stepper.step([batch], [np.random.default_rng(0)], epoch=10)
    weights = LossConfig()
    heads = ("ce_fused", "ce_small", "ce_medium", "ce_large")
    total = sum(weight * figures.terms[head] for weight, head in zip(weights.heads, heads, strict=True))
    assert figures.loss == pytest.approx(total + weights.distillation * figures.terms["distillation"], rel=1e-5)
    epoch = EpochFigures()
    epoch.add(figures, rate=0.1, waited_s=0.0)
    assert "top1" not in epoch.means() and "acc" not in str(epoch) and "acc" not in epoch.short


def test_names_with_brackets_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(1, silent=False) as display:
        display.say("warning: 1 of 2 classes have no training clips: wave [/x]")
    assert "wave [/x]" in capsys.readouterr().out
