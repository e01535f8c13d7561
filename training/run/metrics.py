"""Scores of a split -> accuracies and calibration."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from rgbd.clip.rejection import Rejection, fit_rejection
from rgbd.dataset.layouts import Split
from rgbd.errors import DatasetError, reason_of
from rgbd.files import atomic_file
from training.networks.family import Head
from training.run.finite import NotFiniteError

Scores = NDArray[np.float32]
Answer = Literal["probabilities", "scores"]

_SOURCE = "source"
_CALIBRATION_BINS = 15  # of confidence; what papers on calibration use
_HALVINGS = 50  # of the range of temperatures: more than a float64 tells apart


def _classification() -> ModuleType:
    """Import torchmetrics when something is evaluated: with scipy beside it that takes as long as torch itself."""
    from torchmetrics.functional import classification  # noqa: PLC0415

    return classification


class ScoresSource(BaseModel):
    """What scores are of: networks, by the digests of their weights, and what they looked at, and how.

    clips, flip: the views whose mean they are, as `training.evaluate` has them. mean_of: what of several networks was
    averaged, once other than probabilities.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: tuple[str, ...]
    data: Path
    split: Split
    clips: int = 1
    flip: bool = False
    mean_of: Answer = "probabilities"

    def differences(self, other: "ScoresSource") -> list[str]:
        """Return in words what other scores are of that these are not."""
        mine, theirs = self.model_dump(), other.model_dump()
        names = [name for name in mine if mine[name] != theirs[name]]
        return [f"other {name}" if name == "weights" else f"{name} {theirs[name]}, not {mine[name]}" for name in names]


@dataclass(frozen=True)
class Evaluation:
    """Scores of all clips of a split, in its order: float32 [num_clips, N] by head, and int64 labels [num_clips].

    The first head is the answer. source: what they are of, None in files of earlier versions. Raises `NotFiniteError`
    for scores that are NaN or infinite: they name no class.
    """

    scores: dict[str, Scores]
    labels: NDArray[np.int64]
    clips: tuple[str, ...]
    source: ScoresSource | None = None

    def __post_init__(self) -> None:
        for head, scores in self.scores.items():
            bad = np.flatnonzero(~np.isfinite(scores).all(axis=1))
            if len(bad):
                raise NotFiniteError(
                    f"the scores {head} of {len(bad)} of {len(scores)} clips are NaN or infinite, of "
                    f"{self.clips[bad[0]]} first"
                )

    @property
    def answer(self) -> Scores:
        """The scores of the head that is the answer."""
        return next(iter(self.scores.values()))

    def digest(self) -> str:
        """Return what tells these scores from others."""
        digest = hashlib.sha256()
        for head, scores in self.scores.items():
            digest.update(head.encode() + np.ascontiguousarray(scores, np.float32).tobytes())
        digest.update(self.labels.tobytes() + "\0".join(self.clips).encode())
        return digest.hexdigest()

    @property
    def num_classes(self) -> int:
        """The number of classes, whether or not the split has clips of all."""
        return int(self.answer.shape[1])

    def accuracy(self) -> float:
        """Return the share of clips whose highest score is their label's, in [0, 1]."""
        return accuracy(self.answer, self.labels)

    def metrics(self, temperature: float = 1.0) -> dict[str, float]:
        """Return figures in [0, 1] by name: `top1`, `top5`, `mean_class`, `ece`, and `top1_<head>` of the others.

        `mean_class` is the mean over the classes that have clips; `ece` the expected calibration error of the scores
        divided by `temperature`, `ece_raw` of the scores as they are.
        """
        scores, labels = torch.from_numpy(self.answer), torch.from_numpy(self.labels)
        top_k = min(5, self.num_classes)
        answer, *others = self.scores
        figures = {"top1": self.accuracy()}
        figures |= {f"top1_{short_name(head, answer)}": accuracy(self.scores[head], self.labels) for head in others}
        top5 = _classification().multiclass_accuracy(scores, labels, self.num_classes, average="micro", top_k=top_k)
        figures["top5"] = float(top5)
        figures["mean_class"] = float(np.nanmean(self.class_accuracies()))
        figures["ece"] = _calibration_error(scores.double() / temperature, labels)
        figures["ece_raw"] = _calibration_error(scores.double(), labels)
        return figures

    def class_accuracies(self) -> NDArray[np.float64]:
        """Return float64 [N]: the share of each class's clips that are named rightly; NaN for classes without clips."""
        counts = self.confusion()
        with np.errstate(invalid="ignore"):
            return np.asarray(counts.diagonal() / counts.sum(axis=1), np.float64)

    def confusion(self) -> NDArray[np.int64]:
        """Return int64 [N, N]: how many clips of the row's class were taken for the column's."""
        answers, labels = torch.from_numpy(self.answer).argmax(1), torch.from_numpy(self.labels)
        counts = _classification().multiclass_confusion_matrix(answers, labels, self.num_classes)
        return np.asarray(counts.numpy(), np.int64)


def short_name(head: str, answer: str) -> str:
    """Return a head's name without the answer's before it: of logits_rgb, beside logits, rgb."""
    return head.removeprefix(f"{answer}_")


def accuracy(scores: Scores, labels: NDArray[np.int64]) -> float:
    """Return the share of rows of `scores` [num_clips, N] whose highest value is their label's."""
    return float((scores.argmax(1) == labels).mean())


def _calibration_error(scores: Tensor, labels: Tensor) -> float:
    error = _classification().multiclass_calibration_error
    return float(error(scores.softmax(1), labels, scores.shape[1], n_bins=_CALIBRATION_BINS))


def fit_temperature(evaluation: Evaluation) -> float:
    """Return what to divide scores by, so that their softmax is the probability of being right (Guo et al., 2017).

    It is within 1e-3 to 1e3, however large the scores. 1 where every answer is right: how certain to be cannot be
    learnt without a mistake.
    """
    if accuracy(evaluation.answer, evaluation.labels) == 1:
        return 1.0
    scores = torch.from_numpy(evaluation.answer).double()
    of_labels = scores.gather(1, torch.from_numpy(evaluation.labels)[:, None])[:, 0]
    low, high = math.log(1e-3), math.log(1e3)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        shares = (scores / math.exp(middle)).softmax(1)
        # The slope of the cross-entropy over 1 / temperature, which rises: the best temperature is where it is 0.
        if float(((shares * scores).sum(1) - of_labels).mean()) > 0:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


def fit_known(evaluation: Evaluation, heads: Mapping[str, Head], class_names: Sequence[str]) -> Rejection | None:
    """Return how familiar the clips look to the answer's head, and to those that can answer for one stream."""
    answer, *others = evaluation.scores
    answering = {head: evaluation.scores[head] for head in (answer, *(h for h in others if heads[h].stream))}
    return fit_rejection(answering, evaluation.labels, class_names)


def fuse_scores(evaluations: Sequence[Evaluation], mean_of: Answer = "probabilities") -> Evaluation:
    """Return the plain fusion of several models' answers to the same clips: the mean of their probabilities, or scores.

    Of probabilities its scores are the logarithms. Raises `DatasetError` when the clips are not the same.
    """
    first = evaluations[0]
    if any(other.clips != first.clips or (other.labels != first.labels).any() for other in evaluations):
        raise DatasetError("these models were evaluated on different clips; evaluate both on the same split")
    answer = next(iter(first.scores))
    if mean_of == "scores":
        mean = np.mean([evaluation.answer for evaluation in evaluations], axis=0)
        return Evaluation({answer: mean.astype(np.float32)}, first.labels, first.clips)
    shares = [torch.from_numpy(evaluation.answer).softmax(1).numpy() for evaluation in evaluations]
    mean = np.maximum(np.mean(shares, axis=0), np.finfo(np.float32).tiny)
    return Evaluation({answer: np.log(mean).astype(np.float32)}, first.labels, first.clips)


def save_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write the scores of every clip as .npz: `clips`, `labels`, and an array for each head, the answer first.

    `source`, the last one, is JSON.
    """
    arrays: dict[str, np.ndarray] = {
        "clips": np.array(evaluation.clips),
        "labels": evaluation.labels,
        **evaluation.scores,
    }
    if evaluation.source is not None:
        arrays[_SOURCE] = np.array(evaluation.source.model_dump_json())
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def load_evaluation(path: Path) -> Evaluation:
    """Return what `save_evaluation` has written; raises `DatasetError` when it is something else, or not finite."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            clips, labels, *heads = (name for name in arrays.files if name != _SOURCE)
            scores = {head: arrays[head] for head in heads}
            source = ScoresSource.model_validate_json(str(arrays[_SOURCE])) if _SOURCE in arrays.files else None
            return Evaluation(scores, arrays[labels], tuple(arrays[clips].tolist()), source)
    except NotFiniteError as error:
        raise DatasetError(f"{path}: {error}; evaluate a checkpoint that has not diverged") from error
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(
            f"{path}: is no file of scores ({reason_of(error)}); evaluate the checkpoint again"
        ) from error
