"""What a network has learnt and what not, told by how high its scores are beside those of known clips."""

import numpy as np
import pytest
from pydantic import ValidationError

from rgbd.clip.rejection import Rejection, familiarity, fit_rejection, is_accepted

CLASSES = ("wave", "squat", "background")


def scores(best: list[float], winner: int = 0) -> np.ndarray:
    """Return scores [num_clips, 3] of which `winner`'s are these, and the others' are 0."""
    found = np.zeros((len(best), 3), np.float32)
    found[:, winner] = best
    return found


def test_confidence_is_the_share_of_known_clips_that_look_less_familiar() -> None:
    known = scores([float(number) for number in range(1, 202)])
    fitted = fit_rejection({"logits": known}, np.zeros(201, np.int64), CLASSES)
    assert fitted is not None
    for place, share in ((0.0, 0.0), (1.0, 0.0), (11.0, 0.05), (101.0, 0.5), (201.0, 1.0), (1e6, 1.0)):
        assert fitted.confidence("logits", place) == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize("accepted", [0.5, 0.8, 0.95, 0.99])
def test_of_clips_like_the_fitted_ones_as_many_are_known_as_were_asked_for(accepted: float) -> None:
    rng = np.random.default_rng(0)
    fitted = fit_rejection({"logits": scores(rng.normal(9, 2, 2000).tolist())}, np.ones(2000, np.int64), CLASSES)
    assert fitted is not None
    others = familiarity(scores(rng.normal(9, 2, 2000).tolist()))
    known = [is_accepted(fitted.confidence("logits", float(one)), accepted) for one in others]
    assert np.mean(known) == pytest.approx(accepted, abs=0.02)


def test_what_lies_on_the_limit_is_accepted() -> None:
    for percent in range(50, 100):
        fitted = Rejection(known={"logits": tuple(map(float, range(101)))})
        assert is_accepted(fitted.confidence("logits", 100.0 - percent), percent / 100)


def test_any_scores_can_be_fitted() -> None:
    rng = np.random.default_rng(3)
    for scale in (1e-30, 1e-3, 1, 1e30):
        best = (scale * rng.normal(1, 0.3, 31)).tolist()
        assert fit_rejection({"logits": scores(best)}, np.zeros(31, np.int64), CLASSES) is not None


def test_heads_are_fitted_each_on_its_own_and_clips_of_the_background_are_left_out() -> None:
    both = np.concatenate([scores([5.0] * 30), scores([50.0] * 30, winner=2)])
    labels = np.repeat([0, 2], 30).astype(np.int64)
    fitted = fit_rejection({"logits": both, "logits_depth": both + 1}, labels, CLASSES)
    assert fitted is not None
    usual = float(familiarity(scores([5.0]))[0])
    assert set(fitted.known["logits"]) == {usual}
    assert fitted.known["logits_depth"] == pytest.approx([usual + 1] * 101)  # all its scores are 1 higher


def test_a_few_clips_say_nothing() -> None:
    labels = np.zeros(20, np.int64)
    assert fit_rejection({"logits": scores([1.0] * 19)}, labels[:19], CLASSES) is None
    assert fit_rejection({"logits": scores([1.0] * 20)}, labels, CLASSES) is not None
    labels[0] = 2
    assert fit_rejection({"logits": scores([1.0] * 20)}, labels, CLASSES) is None


def test_what_no_clips_can_have_is_refused() -> None:
    ascending = tuple(float(number) for number in range(101))
    assert Rejection(known={"logits": ascending})
    for wrong in (ascending[::-1], ascending[:100], (*ascending[:100], float("nan"))):
        with pytest.raises(ValidationError):
            Rejection(known={"logits": wrong})
    with pytest.raises(ValidationError):
        Rejection(known={})
