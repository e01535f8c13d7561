"""What the network's outputs for a recording's windows say."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from export.predictor.decoded_clip import ClipFacts
from export.predictor.model import Model
from export.predictor.results import Clip, Person, Prediction, PreparedClip, Score, Window
from rgbd.types import Stream

WindowOutputs = Mapping[str, NDArray[np.float32]]
"""The outputs for one window, float32 [N] by name."""


class Answer:
    """The scores of a recording: the mean over its windows. Where a stream is missing, the other one's head answers.

    outputs: of each window, of each subject. head: the name of the output that answers. scores: the classes'
    probabilities, float64 [N], by the clips of the first subject.
    """

    def __init__(self, model: Model, facts: ClipFacts, outputs: Sequence[Sequence[WindowOutputs]]) -> None:
        self._model, self._manifest, self._facts, self._outputs = model, model.bundle.manifest, facts, outputs
        is_complete = len(facts.given) == len(model.streams)
        self.head = self._manifest.answer if is_complete else self._manifest.stream_heads[facts.given[0]]
        self._scores = self._windows(self.head)
        self.scores: NDArray[np.float64] = self._scores.mean(0)

    def prediction(self, top_k: int) -> Prediction:
        """Return the answer, with the `top_k` best classes of each ranking."""
        return Prediction(
            predictions=self._model.rank(self.scores, top_k),
            streams=self._rank_streams(top_k),
            windows=self._rank_windows(top_k),
            people=self._rank_people(top_k),
            clip=self._clip,
            warnings=self.warnings,
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What should be looked at."""
        given, alone = self._facts.given, self._manifest.alone
        missing = (
            f"{stream} is missing: this is what the {given[0]} stream says alone, which was right for "
            f"{alone[given[0]]:.1%} of the clips that the model was tried with"
            for stream in self._model.streams
            if stream not in given
        )
        return (*self._facts.warnings, *missing)

    def _windows(self, head: str, subject: int = 0) -> NDArray[np.float64]:
        """Return the probabilities [windows, N] of one subject by one of the outputs."""
        return self._model.probabilities(np.stack([outputs[head] for outputs in self._outputs[subject]]))

    def _rank_streams(self, top_k: int) -> dict[Stream, tuple[Score, ...]]:
        """Return what the streams' heads say of what was given."""
        heads = self._manifest.stream_heads
        return {
            stream: self._model.rank(self._windows(heads[stream]).mean(0), top_k)
            for stream in self._facts.given
            if stream in heads
        }

    def _rank_windows(self, top_k: int) -> tuple[Window, ...]:
        """Return what each window shows, when there are several."""
        windows = self._facts.windows
        if len(windows) == 1:
            return ()
        return tuple(
            Window(window.start, window.end, self._model.rank(scores, top_k))
            for window, scores in zip(windows, self._scores, strict=True)
        )

    def _rank_people(self, top_k: int) -> tuple[Person, ...]:
        """Return what each person does, where there are answers about several."""
        if len(self._facts.subjects) == 1:
            return ()
        return tuple(
            Person(
                subject.person or 0, subject.box_px, self._model.rank(self._windows(self.head, number).mean(0), top_k)
            )
            for number, subject in enumerate(self._facts.subjects)
        )

    @property
    def _clip(self) -> Clip:
        whole, counts = self._facts.whole, self._facts.whole.num_frames
        return Clip(
            rgb_frames=counts.get("rgb"),
            depth_frames=counts.get("depth"),
            sampled=self._manifest.clip_spec.num_frames,
            duration_s=round(whole.end - whole.start, 6) if self._facts.aligned_by == "time" else None,
            aligned_by=self._facts.aligned_by,
            preparation=PreparedClip(**self._facts.prepared.model_dump(), **self._facts.subjects[0].model_dump()),
        )
