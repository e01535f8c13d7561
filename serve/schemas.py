"""What goes over the wire."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from export.predictor.decoded_clip import DecidedBy
from rgbd.camera.sensors import SENSOR_NAMES
from rgbd.clip.preparation import Preparation
from rgbd.clip.spec import ClipSpec
from rgbd.types import Stream

_DAY_S = 86400


class Intrinsics(BaseModel):
    """The lens of a depth camera: its focal length and centre in pixels; fx is enough."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fx: float = Field(gt=0, allow_inf_nan=False)
    fy: float | None = Field(None, gt=0, allow_inf_nan=False)
    cx: float | None = Field(None, allow_inf_nan=False)
    cy: float | None = Field(None, allow_inf_nan=False)


class ClipMeta(BaseModel):
    """What a request may say about its clip; all of it is optional."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    depth_scale_mm: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="millimetres of one step of 16-bit depth, where the files do not say",
    )
    fps: float | None = Field(None, ge=0.01, le=1000, description="frames a second, where the files do not say")
    depth_fps: float | None = Field(None, ge=0.01, le=1000, description="depth's, where it differs from fps")
    start_s: float = Field(0.0, ge=0, le=_DAY_S, description="where the motion begins")
    end_s: float | None = Field(None, gt=0, le=_DAY_S, description="where the motion ends; default: the end")
    rgb_track: str | None = Field(
        None, max_length=256, description="what the file calls the colour stream that is meant, where it has several"
    )
    depth_track: str | None = Field(None, max_length=256, description="the same for depth")

    prepared: bool | None = Field(
        None, description="whether it was prepared as the training clips were; default: its frames tell"
    )
    camera: str | None = Field(None, max_length=64, description=f"the depth camera: {', '.join(SENSOR_NAMES)}")
    intrinsics: Intrinsics | None = Field(None, description="instead of camera: the lens of depth, from calibration")

    @model_validator(mode="after")
    def _ordered(self) -> "ClipMeta":
        if self.end_s is not None and self.end_s <= self.start_s:
            raise ValueError(f"end_s {self.end_s} must lie behind start_s {self.start_s}")
        return self


class ModelReply(BaseModel):
    """Which model answered, and on what it really ran."""

    name: str
    version: str
    modality: Literal["rgb", "depth", "rgbd"]
    runtime: str
    device: str
    precision: str


class TensorMetadata(BaseModel):
    """One input or output of a model; -1 stands for any number of clips."""

    name: str
    datatype: Literal["UINT8", "FP32"]
    shape: list[int]
    meaning: str


class ModelDetails(ModelReply):
    """All there is to know about a model: what the Open Inference Protocol asks for, and what clips need."""

    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    labels: tuple[str, ...]
    clip_spec: ClipSpec
    preparation: Preparation | None
    alone: tuple[Stream, ...] = Field(description="the streams of which one is enough, where the model takes two")
    clip_s: float | None = Field(description="how long the clips are that it was trained on, where that is known")
    max_batch: int


class ModelList(BaseModel):
    """The models of this service that are ready."""

    models: list[ModelReply]


class ServerMetadata(BaseModel):
    """What this service is, and which extensions of the Open Inference Protocol it has."""

    name: str
    version: str
    extensions: list[str]


class IndexEntry(BaseModel):
    """The state of one version of one model; `reason` is why it is not ready."""

    name: str
    version: str
    state: Literal["READY", "LOADING", "UNAVAILABLE"]
    reason: str


class AdminModel(IndexEntry):
    """A version of a model, and, where it is loaded, what runs it and what it did since; times are means of a clip."""

    modality: str | None = None
    runtime: str | None = None
    device: str | None = None
    precision: str | None = None
    clips: int | None = None
    batches: int | None = None
    mean_ms: float | None = None
    queue_mean_ms: float | None = None


class AdminState(BaseModel):
    """What a service process does, did so far, and how it was set up."""

    version: str
    uptime_s: float
    draining: bool
    in_flight: int
    queue_clips: int
    memory_mb: int
    settings: dict[str, str]
    refusals: dict[str, int]
    models: list[AdminModel]


class Prediction(BaseModel):
    """One class; `score` is its probability, and those of all classes add up to 1."""

    label: str
    index: int
    score: float


class StreamPredictions(BaseModel):
    """What the heads of a fused model's streams say, after the streams met; empty for a model of one stream."""

    rgb: list[Prediction] = []
    depth: list[Prediction] = []


class PreparationReply(BaseModel):
    """What was done to the recording before clips were cut from it: nothing where `was_prepared`.

    `decided_by` says what told that: the request's `meta`, the `bundle`, which can do nothing else, the `format` of a
    file, or the `looks` of its frames. `box_px`, (x0, y0, x1, y1), was cut out of frames of `frame_size` for the
    `person` whom the answer is about, null for all of them. `mask_coverage` is the share of the sampled depth frames
    that masks keep.
    """

    was_prepared: bool
    decided_by: DecidedBy
    frame_size: tuple[int, int]
    person: int | None
    num_people: int | None
    box_px: tuple[int, int, int, int] | None
    mask_coverage: float | None
    masks: str | None
    registration: str | None
    depth_camera: str | None


class ClipReply(BaseModel):
    """What was understood of the clip. Frame counts are those between `start_s` and `end_s`.

    The frames of two streams belong together by their times, or, where a stream knows none, by their numbers.
    """

    rgb_frames: int | None
    depth_frames: int | None
    sampled: int
    duration_s: float | None
    aligned_by: Literal["time", "index"]
    preparation: PreparationReply


class NamedReply(BaseModel):
    """What a motion is named, best class first, and whether it is one that the model has learnt.

    `confidence` is the share of clips of motions that it has learnt which look less familiar to it; `known` whether
    that is enough, and the best class is not `background`. Both are null for a model that does not say what is
    familiar.
    """

    predictions: list[Prediction]
    known: bool | None
    confidence: float | None


class PersonReply(NamedReply):
    """What one of several people does, by what was cut out for them; 1 is the person of whom most is seen."""

    person: int
    box_px: tuple[int, int, int, int] | None


class WindowReply(NamedReply):
    """What one part of the clip shows, from `start` to `end`: in seconds, or frame numbers where no times are known."""

    start: float
    end: float


class Timing(BaseModel):
    """Where the time went, in milliseconds; `total` runs from the first byte to the answer."""

    decode: float
    preprocess: float
    queue: float
    inference: float
    total: float


class PredictReply(NamedReply):
    """The answer.

    `windows` has the parts of a clip that was asked for in several, `people` the answers about each person where those
    were asked for.
    """

    request_id: str
    model: ModelReply
    streams: StreamPredictions
    windows: list[WindowReply]
    people: list[PersonReply]
    clip: ClipReply
    timing_ms: Timing
    warnings: list[str]


class EventReply(BaseModel):
    """A motion in a recording, from the first to the last moment at which it was seen, in seconds.

    `score` and `confidence` are the highest of any moment.
    """

    label: str
    index: int
    start_s: float
    end_s: float
    score: float
    confidence: float | None
    is_over: bool


class TimelineReply(BaseModel):
    """What happens in a recording of `duration_s`, by windows of `window_s` that begin every `step_s`.

    `person` is whom it is about, 1 being the largest, null for all that is there; `box_px`, (x0, y0, x1, y1), what was
    cut out of every frame, null where that changes or nothing was cut.
    """

    request_id: str
    model: ModelReply
    duration_s: float
    window_s: float
    step_s: float
    person: int | None
    box_px: tuple[int, int, int, int] | None
    events: list[EventReply]
    windows: list[WindowReply]
    warnings: list[str]


class ExplainReply(BaseModel):
    """What an answer rests on: by how many logits the class's `lead` over all others falls when a part is hidden.

    `regions` divides the `box` that the network sees, (x0, y0, x1, y1) as shares of the frame, into rows and columns;
    `moments` the time from first to last. Where the lead grows without a part, the number is negative. `person` is whom
    the answer is about, null for all together.
    """

    request_id: str
    model: ModelReply
    label: str
    index: int
    score: float
    person: int | None
    lead: float
    box: tuple[float, float, float, float]
    regions: list[list[float]]
    moments: list[float]
    timing_ms: Timing
    warnings: list[str]


ShareBox = tuple[float, float, float, float]
"""(x0, y0, x1, y1) as shares of a picture's width and height; it may reach beyond the picture."""


class ViewPreview(BaseModel):
    """What an answer about a `person`, 1 being the largest, or about all of them, null, looks at in each small frame.

    `cut` is what preparation cuts out, and `seen` what the network sees of that. `outlines` are polygons around what
    masks keep, of points (x, y) as shares; there are none where nothing is masked.
    """

    person: int | None
    cut: list[ShareBox]
    seen: list[ShareBox]
    outlines: list[list[list[tuple[float, float]]]] = []


class StreamPreview(BaseModel):
    """A few small frames of one stream as data URIs (JPEG), evenly spread; `sampled` are those that the network sees.

    Depth is coloured from `near_mm` to `far_mm`; `likely_scale_mm` is another unit at which people would be where they
    usually are, where they are not, and the file does not tell the unit. `views` say what answers look at: all people
    together, where several were found, and each.
    """

    num_frames: int
    fps: float | None
    sampled: list[int]
    frames: list[str] = []
    near_mm: int | None = None
    far_mm: int | None = None
    likely_scale_mm: float | None = None
    views: list[ViewPreview] = []


class PreviewPreparation(BaseModel):
    """What would be done to the recording, as `PreparationReply` says; `person`: whom an answer would be about."""

    was_prepared: bool
    decided_by: DecidedBy
    num_people: int | None
    person: int | None


class RecordingReply(BaseModel):
    """What further requests call a recording, and for how many seconds from its last use they may."""

    request_id: str
    recording: str
    streams: list[Stream]
    expires_s: float


class PreviewReply(BaseModel):
    """What the page shows of an upload."""

    rgb: StreamPreview | None = None
    depth: StreamPreview | None = None
    preparation: PreviewPreparation


class Problem(BaseModel):
    """RFC 9457 problem details; `error` is a stable word for programs."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    request_id: str
