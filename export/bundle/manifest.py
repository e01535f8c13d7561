"""What bundle.json says."""

import math
import reprlib
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, field_validator, model_validator

from export.bundle.fields import (
    MAX_BATCH,
    AnyPath,
    Difference,
    Labels,
    Line,
    Name,
    PathWithin,
    Score,
    Sha256,
    Share,
    first_repeated,
)
from rgbd.clip.appearance import Appearance, presumed_appearance
from rgbd.clip.preparation import Preparation
from rgbd.clip.rejection import Rejection
from rgbd.clip.spec import ClipSpec
from rgbd.errors import UserError
from rgbd.types import Modality, Stream, streams_of

MANIFEST_NAME = "bundle.json"

SIGNATURE_NAME = "bundle.json.sig"

SCHEMA_VERSION, SCHEMA_MINOR = 3, 3
"""The manifest's. Where only the minor is raised, all that was read before is read still, and means the same."""

Precision = Name
"""What an artifact computes in, such as fp32 or int8; the runtimes say which they know."""

_LOWEST_TEMPERATURE, _HIGHEST_TEMPERATURE = 1e-3, 1e3  # that calibration can give


class BundleError(UserError):
    """A bundle is missing, incomplete, changed since it was written, or of another schema."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TensorInfo(_Record):
    """One input or output of the graph; named dimensions of `shape` are dynamic."""

    name: Line
    dtype: str
    shape: tuple[int | str, ...]
    meaning: str
    stream: Stream | None = Field(None, description="of an output: whose head it is; None: of all streams together")


class BundleFile(_Record):
    """One file of the bundle; what is not listed is not part of it."""

    path: PathWithin
    sha256: Sha256
    size_bytes: int = Field(ge=0)


class Parity(_Record):
    """How far an artifact's scores lie from PyTorch's in float32 on the same clips."""

    max_difference: Difference = Field(description="of logits, over all heads")
    mean_difference: Difference
    relative_difference: Difference = Field(description="the mean, over the standard deviation of PyTorch's logits")
    probability_difference: Share = Field(description="the largest of a class's probability")
    top1_agreement: Share
    num_clips: int = Field(ge=1)
    clips: str = Field(description="where they are from")


class Speed(_Record):
    """How long an artifact took for one clip on the machine that exported or verified it."""

    latency_ms: float = Field(gt=0, description="median")
    machine: str


class ForRuntime(_Record):
    """What one runtime computes in one precision."""

    runtime: Name
    precision: Precision

    @property
    def name(self) -> str:
        """What the command line and the service call it."""
        return f"{self.runtime}-{self.precision}"


class Artifact(ForRuntime):
    """One form of the graph, for one runtime; without parity it was not compared with PyTorch yet."""

    path: PathWithin = Field(description="of the file that the runtime loads; others lie beside it")
    parity: Parity | None = None
    speeds: dict[Name, Speed] = Field({}, description="by the device that it was measured on, such as cpu or cuda")


class LiveArtifact(ForRuntime):
    """One form of the graphs for streams without end, with how far its scores lie from PyTorch's."""

    features: dict[Stream, PathWithin] = Field(description="the files of the graphs of each stream's features")
    head: PathWithin = Field(description="the file of the graph that makes scores of a window's features")
    parity: Parity | None = Field(None, description="of whole clips, as that of the artifacts above")
    inner: Parity | None = Field(None, description="of windows within a long stream, whose frames have true neighbours")
    padded: Parity | None = Field(
        None, description="how far those windows lie from the same frames as a clip of their own, which has edges"
    )


class LiveSteps(_Record):
    """How a network goes on along a stream: what its graphs get beside new frames, and when these become features."""

    history: int = Field(ge=0, le=1000, description="earlier frames that the graphs get again")
    lag: int = Field(ge=0, le=1000, description="frames by which features lag behind")
    feature_dim: PositiveInt
    state_shapes: tuple[tuple[PositiveInt, ...], ...] = Field(
        description="of each stream's states, without the batch; they begin as zeros"
    )


class Live(_Record):
    """Graphs for streams without end: each frame becomes features once, and windows slide over them."""

    steps: LiveSteps
    artifacts: tuple[LiveArtifact, ...] = Field(min_length=1)


class Source(_Record):
    """Where the weights come from."""

    checkpoint: AnyPath
    checkpoint_sha256: Sha256
    config: dict[str, Any]
    metrics: dict[str, float]
    git_commit: str | None

    @field_validator("config")
    @classmethod
    def _config_is_finite(cls, config: dict[str, Any]) -> dict[str, Any]:
        values: list[Any] = [config]
        for value in values:  # which grows
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"holds {value}, which is no finite number")
            values += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return config


def _check_tensor(place: str, tensor: TensorInfo, dtype: str, shape: tuple[int, ...], because: str) -> None:
    """Raise `ValueError` where it is not of this type, or not of this shape behind a dynamic batch."""
    if tensor.dtype != dtype:
        raise ValueError(f"{place}: {tensor.name} is {reprlib.repr(tensor.dtype)}, and graphs have {dtype}")
    batch, *rest = tensor.shape or (0,)
    if not isinstance(batch, str) or tuple(rest) != shape:
        given = reprlib.repr(list(tensor.shape))
        raise ValueError(f"{place}: {tensor.name} has the shape {given}, and {because} {['batch', *shape]}")


class BundleManifest(_Record):
    """The content of bundle.json."""

    schema_version: Literal[3] = 3
    schema_minor: int = Field(SCHEMA_MINOR, ge=0)
    name: Name
    version: Name
    created: datetime = Field(default_factory=lambda: datetime.now(UTC))
    task: str = "motion recognition"
    modality: Modality
    labels: Labels
    clip_spec: ClipSpec
    temperature: float = Field(  # divides the logits before softmax; 1 until one is fitted
        1.0, ge=_LOWEST_TEMPERATURE, le=_HIGHEST_TEMPERATURE
    )
    rejection: Rejection | None = Field(
        None, description="which scores motions have that it has learnt; null where nobody has fitted it"
    )
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...] = Field(min_length=1, description="the first is the answer")
    max_batch: int = Field(8, ge=1, le=MAX_BATCH, description="clips at a time")
    check: dict[str, tuple[Score, ...]] = Field(
        description="PyTorch's outputs for the seeded clip that every artifact is tried with when it loads"
    )
    alone: dict[Stream, Share] = Field(
        {}, description="streams that may come without the other, and the share of clips that they named rightly so"
    )
    trained_on: dict[Stream, Appearance] = Field(
        {}, description="what the clips look like that it was trained on; empty where that is not known"
    )
    preparation: Preparation | None = Field(
        None,
        description="what was done to the recordings that it was trained on, and is done to those that come as the "
        "camera wrote them; null where that is not known: then it takes prepared clips only",
    )
    files: tuple[BundleFile, ...]
    artifacts: tuple[Artifact, ...] = Field(min_length=1)
    clip_s: PositiveFloat | None = Field(
        None, description="seconds that a training clip lasts, the median; null where that is not known"
    )
    live: Live | None = Field(None, description="graphs for streams without end; null where there are none")
    source: Source

    @model_validator(mode="after")
    def _inputs_fit(self) -> "BundleManifest":
        given, wanted = ", ".join(tensor.name for tensor in self.inputs) or "none", ", ".join(self.streams)
        if given != wanted:
            raise ValueError(f"inputs: are {given}, and a model of {self.modality} takes {wanted}")
        for tensor in self.inputs:
            _check_tensor("inputs", tensor, "uint8", self.clip_spec.shape, "clip_spec says")
            if tensor.stream not in (None, tensor.name):
                raise ValueError(f"inputs: {tensor.name} is of the stream {tensor.stream}")
        if foreign := [stream for stream in self.trained_on if stream not in self.streams]:
            raise ValueError(f"trained_on: has {' and '.join(foreign)}, and this model takes none")
        return self

    @model_validator(mode="after")
    def _files_fit(self) -> "BundleManifest":
        paths = [file.path for file in self.files]
        if (twice := first_repeated(paths)) is not None:
            raise ValueError(f"files: {twice} is there twice")
        for path in paths:
            if PurePosixPath(path).name in (MANIFEST_NAME, SIGNATURE_NAME):
                raise ValueError(f"files: {path} is no file of a graph")
        if (twice := first_repeated(artifact.name for artifact in self.artifacts)) is not None:
            raise ValueError(f"artifacts: {twice} is there twice")
        for artifact in self.artifacts:
            if artifact.path not in paths:
                raise ValueError(f"artifacts: {artifact.name} is in no listed file")
        return self

    @model_validator(mode="after")
    def _live_fits(self) -> "BundleManifest":
        if self.live is None:
            return self
        paths = [file.path for file in self.files]
        if (twice := first_repeated(artifact.name for artifact in self.live.artifacts)) is not None:
            raise ValueError(f"live: {twice} is there twice")
        for artifact in self.live.artifacts:
            if set(artifact.features) != set(self.streams):
                given = " and ".join(artifact.features) or "nothing"
                raise ValueError(
                    f"live: {artifact.name} has features of {given}, and not of {' and '.join(self.streams)}"
                )
            for path in (*artifact.features.values(), artifact.head):
                if path not in paths:
                    raise ValueError(f"live: {artifact.name} is in no listed file")
        return self

    @model_validator(mode="after")
    def _streams_alone_have_heads(self) -> "BundleManifest":
        if headless := [stream for stream in self.alone if stream not in self.stream_heads]:
            raise ValueError(f"{' and '.join(headless)} may come alone, but no output is the head of that stream")
        return self

    @model_validator(mode="after")
    def _outputs_fit(self) -> "BundleManifest":
        if self.outputs[0].stream is not None:
            raise ValueError(
                f"outputs: {self.answer}, the first, is of {self.outputs[0].stream} alone; it is the answer"
            )
        if (twice := first_repeated(output.name for output in self.outputs)) is not None:
            raise ValueError(f"outputs: {twice} is there twice")
        heads = [output.stream for output in self.outputs if output.stream is not None]
        if (twice := first_repeated(heads)) is not None:
            raise ValueError(f"outputs: {twice} has two heads")
        for output in self.outputs:
            if output.stream is not None and output.stream not in self.streams:
                raise ValueError(f"outputs: {output.name} is the head of {output.stream}, and this model takes none")
            _check_tensor("outputs", output, "float32", (len(self.labels),), "the labels ask for")
        return self

    @model_validator(mode="after")
    def _rejection_is_of_the_outputs(self) -> "BundleManifest":
        if self.rejection is not None:
            answering = {self.answer, *self.stream_heads.values()}
            if missing := sorted(answering - self.rejection.known.keys()):
                raise ValueError(f"rejection: says nothing of {' and '.join(missing)}, which can answer")
            if foreign := sorted(self.rejection.known.keys() - answering):
                raise ValueError(f"rejection: is of {' and '.join(foreign)}, which do not answer")
        return self

    @model_validator(mode="after")
    def _check_is_of_the_outputs(self) -> "BundleManifest":
        names = [output.name for output in self.outputs]
        if missing := [name for name in names if name not in self.check]:
            raise ValueError(f"check: has no scores of {' and '.join(missing)}")
        for name, scores in self.check.items():
            if name not in names:
                raise ValueError(f"check: has scores of {name}, which is no output")
            if len(scores) != len(self.labels):
                raise ValueError(f"check: {name} has {len(scores)} scores for {len(self.labels)} labels")
        return self

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that a request must bring, in the order of the graph's inputs."""
        return streams_of(self.modality)

    @property
    def answer(self) -> str:
        """The output that is the answer."""
        return self.outputs[0].name

    @property
    def stream_heads(self) -> dict[Stream, str]:
        """The outputs that say what each of several streams shows, where the graph has them."""
        if len(self.streams) == 1:
            return {}
        return {head.stream: head.name for head in self.outputs if head.stream is not None}

    def appearance(self, stream: Stream) -> Appearance:
        """Return what clips of a stream should look like: as in training, or, where that is not known, as prepared."""
        return self.trained_on.get(stream) or presumed_appearance(self.clip_spec.resize)
