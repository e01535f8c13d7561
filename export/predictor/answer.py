"""What the network's outputs for a recording's windows say."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from export.predictor.decoded_clip import ClipFacts
from export.predictor.model import Model
from export.predictor.results import Clip, Named, Person, Prediction, PreparedClip, Score, Window
from rgbd.clip.rejection import BACKGROUND_CLASS, DEFAULT_ACCEPTED, familiarity, is_accepted
from rgbd.types import Stream

WindowOutputs = Mapping[str, NDArray[np.float32]]
"""The outputs for one window, float32 [N] by name."""


class Answer:
    """The scores of a recording: the mean over its windows. Where a stream is missing, the other one's head answers.

    outputs: of each window, of each subject. head: the name of the output that answers. accepted: the share of clips of
    known motions that are to be taken for known.
    """

    def __init__(
        self,
        model: Model,
        facts: ClipFacts,
        outputs: Sequence[Sequence[WindowOutputs]],
        accepted: float = DEFAULT_ACCEPTED,
    ) -> None:
        self._model, self._manifest, self._facts, self._outputs = model, model.bundle.manifest, facts, outputs
        self._accepted = accepted
        self.head = answering_head(model, facts.given)

    @property
    def scores(self) -> NDArray[np.float64]:
        """The classes' probabilities [N], by the clips of the first subject."""
        return self._probabilities(self._outputs_of(self.head))

    def prediction(self, top_k: int) -> Prediction:
        """Return the answer, with the `top_k` best classes of each ranking."""
        return Prediction(
            **vars(self._named(self._outputs_of(self.head), top_k)),
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

    def _outputs_of(self, head: str, subject: int = 0) -> NDArray[np.float32]:
        """Return one of the outputs about one subject, [windows, N]."""
        return np.stack([outputs[head] for outputs in self._outputs[subject]])

    def _probabilities(self, outputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the classes' probabilities [N] by an output [windows, N]."""
        return np.asarray(self._model.probabilities(outputs).mean(0), np.float64)

    def _named(self, outputs: NDArray[np.float32], top_k: int) -> Named:
        """Return what is said of windows by the answering output [windows, N]."""
        return name_motion(self._model, self.head, outputs, self._accepted, top_k)

    def _rank_streams(self, top_k: int) -> dict[Stream, tuple[Score, ...]]:
        """Return what the streams' heads say of what was given."""
        heads = self._manifest.stream_heads
        return {
            stream: self._model.rank(self._probabilities(self._outputs_of(heads[stream])), top_k)
            for stream in self._facts.given
            if stream in heads
        }

    def _rank_windows(self, top_k: int) -> tuple[Window, ...]:
        """Return what each window shows, when there are several."""
        windows = self._facts.windows
        if len(windows) == 1:
            return ()
        return tuple(
            Window(**vars(self._named(outputs[None], top_k)), start=window.start, end=window.end)
            for window, outputs in zip(windows, self._outputs_of(self.head), strict=True)
        )

    def _rank_people(self, top_k: int) -> tuple[Person, ...]:
        """Return what each person does, where there are answers about several."""
        if len(self._facts.subjects) == 1:
            return ()
        return tuple(
            Person(
                **vars(self._named(self._outputs_of(self.head, number), top_k)),
                person=subject.person or 0,
                box_px=subject.box_px,
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


def answering_head(model: Model, given: Sequence[Stream]) -> str:
    """Return the output that answers where these streams are given: one of all streams, or of the one."""
    manifest = model.bundle.manifest
    return manifest.answer if len(given) == len(model.streams) else manifest.stream_heads[given[0]]


def name_motion(model: Model, head: str, outputs: NDArray[np.float32], accepted: float, top_k: int) -> Named:
    """Return what one output, of windows [windows, N], says of them together; see `Answer`."""
    predictions = model.rank(np.asarray(model.probabilities(outputs).mean(0)), top_k)
    rejection = model.bundle.manifest.rejection
    if rejection is None:
        return Named(predictions, known=None, confidence=None)
    confidence = rejection.confidence(head, float(familiarity(outputs).mean()))
    return Named(
        predictions, is_accepted(confidence, accepted) and predictions[0].label != BACKGROUND_CLASS, confidence
    )
