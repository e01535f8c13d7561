"""How far an artifact's scores lie from PyTorch's, on the same clips."""

from collections.abc import Sequence

import numpy as np

from export.bundle.manifest import Parity, Precision
from export.predictor.model import softmax
from export.runtimes import Outputs
from rgbd.errors import UserError

# Largest mean difference of logits, in standard deviations of PyTorch's, and largest difference of a probability.
# float32 differs by the order of summation only; the others by what their digits hold. What int8 may lose is bounded by
# accuracy when it is made; here, garbage is caught.
LIMITS: dict[Precision, tuple[float, float]] = {
    "fp32": (1e-3, 1e-2),
    "fp16": (2e-2, 0.1),
    "bf16": (1e-1, 0.3),
    "int8": (2.5e-1, 0.5),
}


def measure_parity(expected: Sequence[Outputs], actual: Sequence[Outputs], temperature: float, clips: str) -> Parity:
    """Return how far the batches of outputs lie apart over all heads; `clips` says where the clips are from.

    PyTorch's first head, `expected`'s, is the answer. Raises `UserError` for scores that are no numbers.
    """
    for whose, outputs in (("PyTorch", expected), ("the exported network", actual)):
        if not all(np.isfinite(values).all() for batch in outputs for values in batch.values()):
            raise UserError(f"{clips}: {whose} gives scores for them that are no numbers; export another checkpoint")
    names = [name for name in expected[0] if name in actual[0]]  # an artifact may leave out heads
    answer = names[0]
    a, b = ({name: np.concatenate([out[name] for out in outputs]) for name in names} for outputs in (expected, actual))
    differences = np.concatenate([np.abs(a[name] - b[name]).ravel() for name in names])
    spread = float(np.concatenate([a[name].ravel() for name in names]).std())
    probabilities = np.abs(softmax(a[answer], temperature) - softmax(b[answer], temperature))
    return Parity(
        max_difference=float(differences.max()),
        mean_difference=float(differences.mean()),
        relative_difference=float(differences.mean()) / max(spread, 1e-12),
        probability_difference=float(probabilities.max()),
        top1_agreement=float((a[answer].argmax(1) == b[answer].argmax(1)).mean()),
        num_clips=len(a[answer]),
        clips=clips,
    )


def check_parity(name: str, precision: Precision, parity: Parity) -> None:
    """Raise `UserError` when the differences are larger than the precision explains."""
    relative, probability = LIMITS[precision]
    # What is no number is not below a limit either.
    if not (parity.relative_difference <= relative and parity.probability_difference <= probability):
        raise UserError(
            f"{name}: its scores differ from PyTorch's by {parity.relative_difference:.2g} of their standard deviation "
            f"(allowed: {relative}) and its probabilities by up to {parity.probability_difference:.2g} (allowed: "
            f"{probability}); leave this precision out with --precision, and please report it with the configuration"
        )
