"""What bundle.json says."""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rgbd.clip.appearance import Appearance, presumed_appearance
from rgbd.clip.spec import ClipSpec
from rgbd.errors import UserError
from rgbd.types import Modality, Stream, streams_of

MANIFEST_NAME = "bundle.json"

SIGNATURE_NAME = "bundle.json.sig"

SCHEMA_VERSION, SCHEMA_MINOR = 3, 0
"""The manifest's. Where only the minor is raised, all that was read before is read still, and means the same."""

Precision = Literal["fp32", "bf16", "fp16", "int8"]


class BundleError(UserError):
    """A bundle is missing, incomplete, changed since it was written, or of another schema."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TensorInfo(_Record):
    """One input or output of the graph; named dimensions of `shape` are dynamic."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    meaning: str
    stream: Stream | None = Field(None, description="of an output: whose head it is; None: of all streams together")


class BundleFile(_Record):
    """One file of the bundle; what is not listed is not part of it."""

    path: str
    sha256: str
    size_bytes: int = Field(ge=0)


class Parity(_Record):
    """How far an artifact's scores lie from PyTorch's in float32 on the same clips."""

    max_difference: float = Field(description="of logits, over all heads")
    mean_difference: float
    relative_difference: float = Field(description="the mean, over the standard deviation of PyTorch's logits")
    probability_difference: float = Field(description="the largest of a class's probability")
    top1_agreement: float
    num_clips: int
    clips: str = Field(description="where they are from")


class Speed(_Record):
    """How long an artifact took for one clip on the machine that exported or verified it."""

    latency_ms: float = Field(description="median")
    machine: str
    device: str = "cpu"


class Artifact(_Record):
    """One form of the graph, for one runtime; without parity it was not compared with PyTorch yet."""

    runtime: str
    precision: Precision
    path: str = Field(description="of the file that the runtime loads; others lie beside it")
    parity: Parity | None = None
    speed: Speed | None = None

    @property
    def name(self) -> str:
        """What the command line and the service call it."""
        return f"{self.runtime}-{self.precision}"


class Source(_Record):
    """Where the weights come from."""

    checkpoint: str
    checkpoint_sha256: str
    config: dict[str, Any]
    metrics: dict[str, float]
    git_commit: str | None


class BundleManifest(_Record):
    """The content of bundle.json."""

    schema_version: Literal[3] = 3
    schema_minor: int = Field(0, ge=0)
    name: str
    version: str
    created: datetime = Field(default_factory=lambda: datetime.now(UTC))
    task: str = "motion recognition"
    modality: Modality
    labels: tuple[str, ...]
    clip_spec: ClipSpec
    temperature: float = Field(1.0, gt=0)  # divides the logits before softmax; 1 until one is fitted
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...] = Field(min_length=1, description="the first is the answer")
    max_batch: int = Field(8, ge=1, description="clips at a time")
    check: dict[str, tuple[float, ...]] = Field(
        description="PyTorch's outputs for the seeded clip that every artifact is tried with when it loads"
    )
    alone: dict[Stream, float] = Field(
        {}, description="streams that may come without the other, and the share of clips that they named rightly so"
    )
    trained_on: dict[Stream, Appearance] = Field(
        {}, description="what the clips look like that it was trained on; empty where that is not known"
    )
    files: tuple[BundleFile, ...]
    artifacts: tuple[Artifact, ...]
    source: Source

    @model_validator(mode="after")
    def _streams_alone_have_heads(self) -> "BundleManifest":
        if headless := [stream for stream in self.alone if stream not in self.stream_heads]:
            raise ValueError(f"{' and '.join(headless)} may come alone, but no output is the head of that stream")
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
        """The outputs that say what each of several streams shows, where the graph has them: a stream's first."""
        if len(self.streams) == 1:
            return {}
        return {head.stream: head.name for head in reversed(self.outputs[1:]) if head.stream is not None}

    def appearance(self, stream: Stream) -> Appearance:
        """Return what clips of a stream should look like: as in training, or, where that is not known, as prepared."""
        return self.trained_on.get(stream) or presumed_appearance(self.clip_spec.resize)
