"""Whether a clip shows a motion that a network has learnt: its scores, beside those of clips that do.

A network names one of its classes whatever it is given. Of motions that it has never seen its scores are lower, which
their softmax hides. Source: Liu et al. 2020, "Energy-based Out-of-distribution Detection" (NeurIPS); docs/training.md
has what it is worth beside others.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

BACKGROUND_CLASS = "background"
"""The class of recordings in which nothing of interest happens: what is named so is not known."""

DEFAULT_ACCEPTED = 0.95
LEAST_ACCEPTED, MOST_ACCEPTED = 0.5, 0.99
"""Of known clips, the share that is to be taken for known: by default, and what may be asked for."""

_SHARES = np.linspace(0, 1, 101)
_ROUNDING = 1e-9  # of shares
_FEWEST_CLIPS = 20  # of which 95 % are a whole number

_Familiarities = Annotated[tuple[float, ...], Field(min_length=len(_SHARES), max_length=len(_SHARES))]


class Rejection(BaseModel):
    """How familiar known motions look to a network, by clips that it has not learnt from.

    known: for each head that answers, the familiarity below which 0, 1, ..., 100 % of those clips lie.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    known: Mapping[str, _Familiarities] = Field(min_length=1)

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        for head, familiarities in self.known.items():
            if list(familiarities) != sorted(familiarities):
                raise ValueError(f"the familiarities of {head} do not ascend")
        return self

    def confidence(self, head: str, familiarity: float) -> float:
        """Return the share, in [0, 1], of known clips that look less familiar than one does to this head."""
        return float(np.interp(familiarity, self.known[head], _SHARES))


def familiarity(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how familiar clips look, float64 [...], by the scores of their classes before softmax [..., N].

    It is the negative energy: the logarithm of the sum of their exponentials.
    """
    highest = scores.max(-1, keepdims=True).astype(np.float64)
    return np.asarray(highest[..., 0] + np.log(np.exp(scores - highest).sum(-1)), np.float64)


def is_accepted(confidence: float, accepted: float) -> bool:
    """Whether a clip counts as known where this share of known clips, `accepted`, is to."""
    return confidence >= 1 - accepted - _ROUNDING


def fit_rejection(
    scores: Mapping[str, NDArray[np.float32]], labels: NDArray[np.int64], class_names: Sequence[str]
) -> Rejection | None:
    """Return what known clips look like to each head, by scores [num_clips, N] and labels [num_clips].

    None of fewer than 20 clips of known motions: they say too little.
    """
    known = np.array([class_names[label] != BACKGROUND_CLASS for label in labels], bool)
    if known.sum() < _FEWEST_CLIPS:
        return None
    return Rejection(known={head: _quantiles(familiarity(of_head[known])) for head, of_head in scores.items()})


def _quantiles(values: NDArray[np.float64]) -> tuple[float, ...]:
    found = np.quantile(values, _SHARES)
    return tuple(np.maximum.accumulate(found).tolist())  # its rounding may have one a last digit below the one before
