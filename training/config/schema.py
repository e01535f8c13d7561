"""The training configuration: every setting with its type, its limits and its published value."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationInfo,
    model_validator,
)

from rgbd.clip.spec import ClipSpec
from rgbd.dataset.layouts import DATASETS
from rgbd.errors import ConfigError
from rgbd.types import Modality, Stream, streams_of
from training.config.augmentation import AugmentConfig
from training.config.families import DEFAULT_FAMILY, FAMILIES, find_family, sections_of
from training.config.section import Section


class DataConfig(Section):
    """Where the clips are."""

    dataset: str = Field("ntu", description=f"a data set's name: {', '.join(DATASETS)}")
    root: Path = Field(Path("data"), description="what preprocessing wrote, folders or shards")
    protocol: str = Field("CS", description="which split files, where a data set has several: CS, CV, CS120, ...")
    sampling: Literal["each", "balanced"] = Field(
        "each", description="every training clip once an epoch; balanced: as many of every class"
    )
    num_workers: int = Field(2, ge=0, description="loader processes of each training process")
    eval_batch_size: int | None = Field(None, ge=1, description="clips at once in evaluation; null: batch_size")

    @model_validator(mode="after")
    def _known(self) -> "DataConfig":
        if self.dataset not in DATASETS:
            raise ValueError(f"dataset {self.dataset!r} is unknown; choose one of: {', '.join(DATASETS)}")
        return self


class NetworkConfig(Section):
    """Which family of networks, and its shape; a family adds what it has to say of the latter."""

    name: str = Field(DEFAULT_FAMILY, description=f"{', '.join(FAMILIES)}; or package.module:FAMILY, a family of yours")

    def check_clip(self, clip: ClipSpec) -> None:
        """Raise `ValueError`, naming the keys, where a network of this shape cannot take such clips; a family's own."""


class LossConfig(Section):
    """What is descended; a family adds the weights of its terms."""

    label_smoothing: float = Field(0.1, ge=0, lt=1)
    class_weights: Literal["equal", "balanced"] | tuple[Annotated[float, Field(gt=0)], ...] = Field(
        "equal", description="of cross-entropy; balanced: the rarer a class in training, the more; or one of each class"
    )


class OptimizerConfig(Section):
    """How weights descend; the defaults are published: docs/method.md, "Optimizer and learning rate"."""

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    lr: float = Field(0.01, gt=0)
    min_lr: float = Field(1e-5, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd")
    nesterov: bool = Field(False, description="of sgd: the gradient counts as it will after the step's momentum")
    weight_decay: float = Field(3e-4, ge=0, description="of all three")
    decayed: Literal["all", "matrices"] = Field(
        "all", description="parameters that decay; matrices: those of two and more dimensions, so no biases and norms"
    )
    clip_norm: float = Field(5.0, gt=0, description="largest norm of all gradients together")
    accumulate: int = Field(1, ge=1, description="batches whose gradients make one step")
    ema_decay: float | None = Field(None, gt=0, lt=1, description="of averaged weights, evaluated too; null: none")

    @model_validator(mode="after")
    def _falls(self) -> "OptimizerConfig":
        if self.min_lr > self.lr:
            raise ValueError(f"min_lr {self.min_lr:g} is above lr {self.lr:g}; the rate falls from lr to min_lr")
        return self

    @model_validator(mode="after")
    def _nesterov_has_a_momentum(self) -> "OptimizerConfig":
        if self.nesterov and (self.name != "sgd" or not self.momentum):
            raise ValueError("nesterov is a kind of momentum of sgd; set name to sgd and momentum above 0")
        return self


class ScheduleConfig(Section):
    """What changes from epoch to epoch; the defaults are published: docs/method.md, "Optimizer and learning rate"."""

    name: Literal["cosine", "plateau", "step"] = "cosine"
    epochs: int = Field(100, ge=1)
    warmup_epochs: int = Field(3, ge=0, description="the learning rate rises step by step")
    patience: int = Field(4, ge=0, description="of plateau: evaluations without a better top-1 before the rate falls")
    step_epochs: int = Field(30, ge=1, description="of step: epochs from one fall to the next")
    factor: float = Field(0.1, gt=0, lt=1, description="of plateau and step: what the rate is multiplied by")
    evaluate_every: int = Field(1, ge=1, description="epochs; the last one is always evaluated")


def _off(value: object) -> object:
    """Take for a word what YAML takes for no."""
    return "off" if value is False else value


class ComputeConfig(Section):
    """How a step is computed; none of it changes what is computed, but for rounding."""

    autocast: Annotated[Literal["off", "bf16", "fp16"], BeforeValidator(_off)] = Field(
        "off", description="precision of the network's products"
    )
    compile: bool = Field(False, description="torch.compile; the first step takes minutes, and a C++ compiler")
    checkpoint_activations: bool = Field(False, description="less memory for a third more time")
    sync_batchnorm: bool = Field(True, description="of GPUs: batch norm over the batches of all processes")


class KeepConfig(Section):
    """Which checkpoints there are, besides last.pt and best.pt."""

    every_steps: int | None = Field(None, ge=1, description="write last.pt so often within an epoch, too")
    keep_last: int = Field(1, ge=1, description="evaluated epochs whose checkpoints are kept, as epoch-NNN.pt if > 1")
    keep_best: int = Field(1, ge=1, description="the same for the best epochs")


class StreamsConfig(Section):
    """The two trained streams that a fusion network starts from."""

    rgb: Path
    depth: Path


class StartConfig(Section):
    """Weights to begin with, such as those trained on Jester."""

    checkpoint: Path
    new: tuple[str, ...] = Field(
        (), description="parameters that begin anew, by the beginning of their names: [heads] for other classes"
    )


class LegacyConfig(Section):
    """Behaviour of the reference that repeats its figures, off by default.

    Source: docs/method.md, "What the reference does differently".
    """

    warmup: bool = Field(False, description="the rate of the epoch before, and another peak; docs/method.md")
    two_geometries: bool = Field(
        False, description="crop, turn, mirror RGB and depth independently; see docs/method.md"
    )
    mixing: bool = Field(
        False, description="mix RGB and depth independently, the first clip with the last, ...; see docs/method.md"
    )

    def check_schedule(self, schedule: ScheduleConfig) -> None:
        """Raise `ValueError`, naming the keys, where there is no such schedule to repeat; a family's own."""


def _as_the_family_says(value: Any, info: ValidationInfo) -> Any:
    """Read one of the sections that belong to the family; `network`, which comes before the others, names it."""
    if info.field_name != "network" and "network" not in info.data:
        return value if isinstance(value, BaseModel) else {}  # what is wrong with `network` is told alone
    try:
        sections = sections_of(value if info.field_name == "network" else info.data["network"])
    except ConfigError as error:
        raise ValueError(str(error)) from error
    kind: type[BaseModel] = getattr(sections, str(info.field_name))
    if isinstance(value, kind):
        return value
    return kind.model_validate(value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value)


_OfFamily = BeforeValidator(_as_the_family_says)


def _run_folder(values: dict[str, Any]) -> Path:
    data = values.get("data", DataConfig())  # absent where it was not valid itself
    has_protocols = "{protocol}" in DATASETS[data.dataset].split_template
    family = values["network"].name if "network" in values else DEFAULT_FAMILY
    is_another = family in FAMILIES and family != DEFAULT_FAMILY
    protocol = [data.protocol] if has_protocols else []
    names = (*([family] if is_another else []), data.dataset, *protocol, values.get("modality"))
    return Path("runs") / "-".join(map(str, names))


class TrainingConfig(Section):
    """Everything that a training run depends on."""

    modality: Modality = Field(description="what the network looks at: rgb, depth, or rgbd, which is both")
    seed: int = Field(0, ge=0, lt=2**63, description="what all random draws follow from")
    batch_size: int = Field(6, ge=2, description="clips of each training process; batch norm needs two")
    data: DataConfig = DataConfig()
    clip: ClipSpec = ClipSpec()
    network: Annotated[SerializeAsAny[NetworkConfig], _OfFamily] = Field(NetworkConfig(), validate_default=True)
    out: Path = Field(
        default_factory=_run_folder,
        description="the run's folder: runs/<data set>-<protocol>-<modality>, a second family's name before it",
    )
    augment: AugmentConfig = AugmentConfig()
    loss: Annotated[SerializeAsAny[LossConfig], _OfFamily] = Field(LossConfig(), validate_default=True)
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: Annotated[SerializeAsAny[ScheduleConfig], _OfFamily] = Field(ScheduleConfig(), validate_default=True)
    compute: ComputeConfig = ComputeConfig()
    keep: KeepConfig = KeepConfig()
    start: StartConfig | None = Field(None, description="of rgb and depth; of rgbd where there is no streams")
    streams: StreamsConfig | None = Field(None, description="of rgbd alone, and before start")
    legacy: Annotated[SerializeAsAny[LegacyConfig], _OfFamily] = Field(LegacyConfig(), validate_default=True)

    @property
    def modalities(self) -> tuple[Stream, ...]:
        """The streams that the network takes, in the order of its arguments."""
        return streams_of(self.modality)

    @property
    def starts_from(self) -> tuple[Path, ...]:
        """The checkpoints that a new run begins with."""
        start = () if self.start is None else (self.start.checkpoint,)
        return start if self.streams is None else (*start, self.streams.rgb, self.streams.depth)

    def with_data_root(self, root: Path | None) -> "TrainingConfig":
        """Return the configuration with the data set in `root`, or as it is."""
        if root is None:
            return self
        return self.model_copy(update={"data": self.data.model_copy(update={"root": root})})

    @model_validator(mode="after")
    def _parts_fit_together(self) -> "TrainingConfig":
        needs_streams = self.modality == "rgbd" and find_family(self.network.name).needs_streams
        if needs_streams and self.streams is None and self.start is None:
            raise ValueError("modality rgbd needs streams.rgb and streams.depth, checkpoints of two trained streams")
        present = DATASETS[self.data.dataset].streams
        if missing := [stream for stream in self.modalities if stream not in present]:
            what = "colour" if missing == ["rgb"] else "depth"
            raise ValueError(f"data.dataset {self.data.dataset} has no {what}; the modality must be {present[0]}")
        self.network.check_clip(self.clip)
        self.legacy.check_schedule(self.schedule)
        return self

    @model_validator(mode="after")
    def _each_stream_has_a_loss_where_it_is_mixed_alone(self) -> "TrainingConfig":
        is_mixed_apart = self.legacy.mixing and self.modality == "rgbd"
        if is_mixed_apart and not find_family(self.network.name).has_stream_losses:
            raise ValueError(
                f"legacy.mixing mixes RGB and depth independently, and the loss of network.name {self.network.name} is "
                "of both together; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _noise_has_millimetres(self) -> "TrainingConfig":
        has_images = "depth" in self.modalities and self.clip.depth.mode == "image"
        if self.augment.depth_noise.probability > 0 and has_images:
            raise ValueError(
                "augment.depth_noise works on millimetres, and clip.depth.mode image is 8-bit depth without them; set "
                "augment.depth_noise.probability to 0"
            )
        return self
