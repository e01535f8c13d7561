"""The references' own YAML files -> our configuration. Source: the published config/*.yml and README."""

from collections.abc import Callable, Mapping
from typing import Any

from rgbd.errors import ConfigError
from training.config import published_umdr
from training.config.published_values import (
    DATASET_NAMES,
    MODALITIES,
    choice,
    numbers,
    protocol,
    put,
    put_evaluation_of_data_set,
    refused,
    smoothing,
)

_SECTIONS = ("common", "model", "dataset")

# Keys that only say how the reference displays things, or that it reads and never uses.
_WITHOUT_MEANING = {
    *("visdom", "visname", "report_freq", "metric_freq", "show_cluster_result", "vis_feature", "dist", "DEBUG"),
    *("init_epochs", "resume", "resumelr", "resume_scheduler", "mse_weight"),
}


# Key of the reference -> our key and how the value is read. None where the value says whether others count.
_KEYS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "common.data": ("data.root", str),
    "common.splits": ("data.protocol", protocol),
    "common.dataset": ("data.dataset", choice(DATASET_NAMES)),
    "common.batch_size": ("batch_size", int),
    "common.test_batch_size": ("data.eval_batch_size", int),
    "common.num_workers": ("data.num_workers", int),
    "common.learning_rate": ("optimizer.lr", float),
    "common.learning_rate_min": ("optimizer.min_lr", float),
    "common.momentum": ("optimizer.momentum", float),
    "common.weight_decay": ("optimizer.weight_decay", float),
    "common.epochs": ("schedule.epochs", int),
    "common.optim": ("optimizer.name", choice({"SGD": "sgd", "Adam": "adam", "AdamW": "adamw"})),
    "common.scheduler.name": ("schedule.name", choice({"cosin": "cosine", "ReduceLR": "plateau", "step": "step"})),
    "common.scheduler.patience": ("schedule.patience", int),
    "common.scheduler.warm_up_epochs": ("schedule.warmup_epochs", int),
    "common.loss.name": ("", choice({"CE": None})),
    "common.loss.labelsmooth": ("loss.label_smoothing", smoothing),
    "common.loss_lamdb": ("loss.heads", list),
    "common.distill": ("loss.distillation", float),
    "common.distill_lamdb": ("loss.distillation", float),
    "model.pretrained": ("start.checkpoint", str),
    "model.sample_duration": ("clip.num_frames", int),
    "model.sample_size": ("clip.size", int),
    "model.grad_clip": ("optimizer.clip_norm", float),
    "model.SYNC_BN": ("compute.sync_batchnorm", bool),
    "model.w": ("network.guidance_window", int),
    "model.temper": ("loss.distillation_temperature", float),
    "model.recoupling": ("network.recoupling", bool),
    "model.knn_attention": ("network.kept_scores", float),
    "model.temp": ("schedule.tau", numbers),
    "model.frp": ("network.guidance", bool),
    "model.SEHeads": ("network.recoupling_heads", int),
    "model.N": ("network.num_blocks", int),
    "model.rgb_checkpoint": ("streams.rgb", str),
    "model.depth_checkpoint": ("streams.depth", str),
    "dataset.type": ("modality", choice(MODALITIES)),
    "dataset.flip": ("augment.flip", float),
    "dataset.rotated": ("augment.rotated", float),
    "dataset.angle": ("augment.angle_deg", numbers),
    "dataset.Blur": ("", refused),
    "dataset.resize": ("clip.resize", numbers),
    "dataset.crop_size": ("clip.crop", int),
}
_BRANCH_FRAMES = ("dataset.low_frames", "dataset.media_frames", "dataset.high_frames")
_SWITCHES = ("model.Network", "common.MultiLoss", "model.sharpness")


def is_published(values: Mapping[str, Any]) -> bool:
    """Whether the content of a YAML file is of the reference's kind."""
    return any(isinstance(values.get(section), dict) for section in ("common", "model"))


def translate(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of one of the reference's YAML files under our names.

    Raises `ConfigError` that lists every key without a counterpart, and every value that cannot be read.
    """
    if published_umdr.is_published(values):
        return published_umdr.translate(values, flags=())[0]
    flat = _flatten(values)
    ours: dict[str, Any] = {}
    problems = []
    for key, value in flat.items():
        if key in _KEYS:
            name, read = _KEYS[key]
            try:
                put(ours, name, read(value))
            except (ValueError, TypeError) as error:
                problems.append(f"{key}: {value!r} {error}")
        elif key.split(".")[1] not in _WITHOUT_MEANING and key not in (*_BRANCH_FRAMES, *_SWITCHES):
            problems.append(f"{key}: is no key of the published files")
    if problems:
        raise ConfigError("; ".join(problems))
    return _finish(ours, flat)


def _finish(ours: dict[str, Any], flat: Mapping[str, Any]) -> dict[str, Any]:
    """Do what takes several keys of theirs."""
    is_fusion = flat.get("model.Network") == "FusionNet"
    ours["modality"] = "rgbd" if is_fusion else ours.get("modality", "rgb")
    if flat.get("common.MultiLoss") is False:
        put(ours, "loss.heads", [1, 0, 0, 0])
    if flat.get("model.sharpness") is False:
        put(ours, "schedule.tau", [1.0, 1.0])
    if any(key in flat for key in _BRANCH_FRAMES):
        published = (16, 32, 48)
        frames = [flat.get(key, usual) for key, usual in zip(_BRANCH_FRAMES, published, strict=True)]
        put(ours, "network.branch_frames", frames)
    put_evaluation_of_data_set(ours)
    if not is_fusion:
        ours.pop("streams", None)  # the files name them in either case
    return ours


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        is_section = isinstance(value, dict) and (not prefix or key in ("scheduler", "loss"))
        flat |= _flatten(value, f"{prefix}{key}.") if is_section else {f"{prefix}{key}": value}
    unknown = [key for key in flat if not key.startswith(tuple(f"{section}." for section in _SECTIONS))]
    if unknown and not prefix:
        raise ConfigError(f"{', '.join(unknown)}: not in the published sections {', '.join(_SECTIONS)}")
    return flat
