"""The training configuration: a YAML file, checked key by key, with overrides from the command line."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from preprocess.clip import ClipSpec
from preprocess.datasets import DATASETS
from preprocess.errors import ConfigError, reason_of
from training.losses import LossConfig
from training.models.unimodal import NetworkConfig

Stream = Literal["rgb", "depth"]


class Section(BaseModel):
    """Part of the configuration: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(Section):
    """Where the clips are."""

    dataset: str = "ntu"  # a name in preprocess.datasets.DATASETS
    root: Path
    protocol: str = "CS"
    num_workers: int = Field(2, ge=0)  # loader processes of each training process

    @model_validator(mode="after")
    def _known(self) -> "DataConfig":
        if self.dataset not in DATASETS:
            raise ValueError(f"dataset {self.dataset!r} is unknown; choose one of: {', '.join(DATASETS)}")
        return self


class AugmentConfig(Section):
    """Random geometry of training clips. Source: REFERENCE.md section 1; the defaults are NTU's."""

    flip: float = Field(0.5, ge=0, le=1)
    rotated: float = Field(0.5, ge=0, le=1)  # probability of a rotation
    angle_deg: int = Field(10, ge=0, le=180)  # largest rotation, either way


class OptimizerConfig(Section):
    """How weights descend; the defaults are the published ones (REFERENCE.md section 6)."""

    name: Literal["sgd", "adamw"] = "sgd"
    lr: float = Field(0.01, gt=0)
    min_lr: float = Field(1e-5, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(3e-4, ge=0)
    clip_norm: float = Field(5.0, gt=0)


class ScheduleConfig(Section):
    """What changes from epoch to epoch; the defaults are the published ones (REFERENCE.md sections 4 and 6)."""

    epochs: int = Field(100, ge=1)
    warmup_epochs: int = Field(3, ge=0)
    tau: tuple[float, float] = (0.04, 0.07)  # the heads' temperature goes from the first to the second ...
    tau_epochs: int = Field(30, ge=1)  # ... in this many epochs, then stays
    evaluate_every: int = Field(1, ge=1)  # epochs; the last one is always evaluated


class StreamsConfig(Section):
    """The two trained streams that a fusion network starts from."""

    rgb: Path
    depth: Path


class LegacyConfig(Section):
    """Behaviour of the reference that is kept to repeat its figures (REFERENCE.md section 8); all off by default."""

    sum_distillation: bool = False  # row 5: sum the distillation over the batch, so that it grows with the batch


_MODALITIES: dict[str, tuple[Stream, ...]] = {"M": ("rgb",), "K": ("depth",), "FusionNet": ("rgb", "depth")}


class TrainingConfig(Section):
    """Everything that a training run depends on."""

    type: Literal["M", "K", "FusionNet"]  # the published names: M is the RGB stream, K the depth stream
    out: Path  # the run's folder
    seed: int = 0
    batch_size: int = Field(6, ge=2)  # clips of each training process; batch norm needs two
    data: DataConfig
    clip: ClipSpec = ClipSpec()
    network: NetworkConfig = NetworkConfig()
    augment: AugmentConfig = AugmentConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    streams: StreamsConfig | None = None
    legacy: LegacyConfig = LegacyConfig()

    @property
    def modalities(self) -> tuple[Stream, ...]:
        """The streams that the network takes, in the order of its arguments."""
        return _MODALITIES[self.type]

    @model_validator(mode="after")
    def _streams_go_with_fusion(self) -> "TrainingConfig":
        if self.type == "FusionNet" and self.streams is None:
            raise ValueError("type FusionNet needs streams.rgb and streams.depth, checkpoints of two trained streams")
        return self


def load_config(path: Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """Return the configuration in the YAML file `path`, with `section.key=value` overrides on top.

    Raises `ConfigError` that names the file, the key, what is wrong, and the nearest known key for an unknown one.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = f"cannot be read as YAML ({reason_of(error)})"
        raise ConfigError(f"{path}: {reason}; check the path and the file") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a mapping of sections, found {type(values).__name__}")
    for override in overrides:
        _apply(values, override)
    try:
        return TrainingConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{path}: " + "; ".join(_explain(dict(problem)) for problem in error.errors())) from error


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise ConfigError(f"--set {override}: expected section.key=value, such as --set schedule.epochs=10")
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {override}: {section!r} is not a section")
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: {text!r} is not a YAML value; quote it") from error


def _explain(problem: dict[str, Any]) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return str(message)  # it concerns several keys, and names them
    *place, key = [str(part) for part in problem["loc"]]
    if problem["type"] != "extra_forbidden":
        return f"{'.'.join([*place, key])}: {message} (got {problem['input']!r})"
    nearest = difflib.get_close_matches(key, _known_keys(place), n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known keys are: {', '.join(_known_keys(place))}"
    return f"{'.'.join([*place, key])}: is an unknown key; {hint}"


def _known_keys(place: Sequence[str]) -> list[str]:
    model: Any = TrainingConfig
    for part in place:
        annotation = model.model_fields[part].annotation
        model = annotation if isinstance(annotation, type) else StreamsConfig  # the only optional section
    return list(model.model_fields)
