"""Scores that are no numbers are no proof of anything."""

import numpy as np
import pytest

from export.verification.parity import measure_parity
from rgbd.errors import UserError


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_told_with_whose_they_are(value: float) -> None:
    good, bad = {"logits": np.zeros((1, 3), np.float32)}, {"logits": np.full((1, 3), value, np.float32)}
    with pytest.raises(UserError, match=r"seeded clips: PyTorch gives scores for them that are no numbers"):
        measure_parity([bad], [good], 1.0, "seeded clips")
    with pytest.raises(UserError, match=r"seeded clips: the exported network gives scores"):
        measure_parity([good], [bad], 1.0, "seeded clips")
