"""Clips on the page: the most certain mistakes, and why the network answers as it does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rgbd.dataset.layouts import Split
from rgbd.errors import DatasetError, UserError
from training.data.dataset import ClipDataset, Draw, View
from training.networks.family import family_of
from training.report.pictures import explained_frames, matrix, thumbnails
from training.run.checkpoint import Checkpoint, restore_network
from training.run.metrics import Evaluation, short_name


@dataclass
class Shown:
    """A clip that is shown, with what the network says of it; probabilities in [0, 1]."""

    clip: str
    truth: str
    answer: str
    certainty: float
    truth_certainty: float
    picture: str | None = None
    streams: list[dict[str, Any]] = field(default_factory=list)
    similarity: list[tuple[str, list[float]]] = field(default_factory=list)
    caption: str = ""
    problem: str | None = None


class ClipPictures:
    """Draws clips of a split, and says why the network answers as it does."""

    def __init__(self, checkpoint: Checkpoint, evaluation: Evaluation, split: Split, data: Path | None) -> None:
        self._evaluation, self._names = evaluation, checkpoint.class_names
        scores = torch.from_numpy(evaluation.answer).double() / checkpoint.temperature
        self._shares: NDArray[np.float64] = scores.softmax(1).numpy()
        self._answers = self._shares.argmax(1)
        self.is_wrong: NDArray[np.bool_] = self._answers != evaluation.labels
        self._family, self._network = family_of(checkpoint.config), restore_network(checkpoint)
        config = checkpoint.config.with_data_root(data)
        self._modalities = config.modalities
        self.problem: str | None = None
        try:
            self._dataset = ClipDataset(config, split)
            self._places = {entry.clip: place for place, entry in enumerate(self._dataset.entries)}
        except UserError as error:
            self.problem = f"{error}; or say where the data set lies with --data"

    def choose(self, num_mistakes: int, num_explained: int, clips: Sequence[str]) -> tuple[list[int], list[int]]:
        """Return which clips to show as mistakes, and which to explain.

        Where `clips` does not name these, as many right ones as wrong, of as many classes as can be.
        """
        if self.problem:
            return [], []
        certainty = self._shares.max(1)
        order = np.argsort(-certainty, kind="stable")
        wrong, right = order[self.is_wrong[order]].tolist(), order[~self.is_wrong[order]].tolist()
        if not clips:
            some = self._of_many_classes(wrong, num_explained // 2, ())
            return wrong[:num_mistakes], some + self._of_many_classes(right, num_explained - len(some), some)
        if missing := sorted(set(clips) - set(self._evaluation.clips)):
            raise DatasetError(f"{', '.join(missing)}: not among the split's clips; see its split file for their names")
        return wrong[:num_mistakes], [self._evaluation.clips.index(clip) for clip in clips]

    def _of_many_classes(self, clips: Sequence[int], count: int, beside: Sequence[int]) -> list[int]:
        """Return the first clips of classes that are new beside others, and then the first of the rest."""
        labels = self._evaluation.labels.tolist()
        seen, new, rest = {labels[clip] for clip in beside}, list[int](), list[int]()
        for clip in clips:
            (rest if labels[clip] in seen else new).append(clip)
            seen.add(labels[clip])
        return [*new, *rest][:count]

    def thumbnails(self, index: int) -> Shown:
        """Show a clip."""
        shown = self._shown(index)
        try:
            shown.picture = thumbnails(tuple(clip.numpy() for clip in self._load(index)))
        except UserError as error:
            shown.problem = str(error)
        return shown

    def explanation(self, index: int) -> Shown:
        """Show what the network looked at in a clip when it gave its answer."""
        shown = self._shown(index)
        try:
            clips = self._load(index)
        except UserError as error:
            shown.problem = str(error)
            return shown
        batch = tuple(clip[None] for clip in clips)
        reasons = self._family.explain(self._network, batch, int(self._answers[index]))
        if reasons is None:
            shown.problem = "this family of networks draws nothing of what it looks at"
            return shown
        if not np.isfinite(reasons.similarity).all():
            shown.problem = "the network computes something that is no number; train it again"
            return shown
        shown.caption = reasons.caption
        for name, clip, stream in zip(self._modalities, clips, reasons.streams, strict=True):
            matrices = {title: matrix(values) for title, values in stream.matrices.items()}
            drawn = ", ".join(["frames", *(maps.name for maps in stream.maps)])
            picture = explained_frames(clip.numpy(), stream)
            shown.streams.append({"name": name, "picture": picture, "drawn": drawn, "matrices": matrices})
        answer, *others = reasons.head_names
        names = ["answer", *(short_name(head, answer) for head in others)]
        shown.similarity = list(zip(names, reasons.similarity.tolist(), strict=True))
        return shown

    def _shown(self, index: int) -> Shown:
        label, answer, shares = int(self._evaluation.labels[index]), int(self._answers[index]), self._shares[index]
        names = self._names[label], self._names[answer]
        return Shown(self._evaluation.clips[index], *names, float(shares[answer]), float(shares[label]))

    def _load(self, index: int) -> tuple[torch.Tensor, ...]:
        clip = self._evaluation.clips[index]
        if clip not in self._places:
            raise DatasetError(f"{clip}: is not in the data set's split any more; evaluate again")
        return self._dataset[Draw(self._places[clip], View())][0]
