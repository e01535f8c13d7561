"""The reference's own YAML files -> our configuration. Source: its published config/*.yml and README."""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from rgbd.dataset.layouts import DATASETS
from rgbd.errors import ConfigError
from rgbd.types import Modality

_SECTIONS = ("common", "model", "dataset")

MODALITIES: dict[str, Modality] = {"M": "rgb", "K": "depth", "FusionNet": "rgbd"}
"""What the reference's codes of streams and of the fusion network stand for."""

_DATASETS = {
    "NTU": "ntu",
    "NvGesture": "nvgesture",
    "THUREAD": "thu_read",
    "THU": "thu_read",
    "IsoGD": "isogd",
    "Jester": "jester",
}

# Where its loaders crop in evaluation, if not in the middle. Source: docs/method.md, "Settings by data set".
_EVALUATED_AT = {"nvgesture": (32, 32)}

# Keys that only say how the reference displays things, or that it reads and never uses.
_WITHOUT_MEANING = {
    *("visdom", "visname", "report_freq", "metric_freq", "show_cluster_result", "vis_feature", "dist", "DEBUG"),
    *("init_epochs", "resume", "resumelr", "resume_scheduler", "mse_weight"),
}


def _choice(choices: Mapping[str, Any]) -> Callable[[Any], Any]:
    def choose(value: Any) -> Any:
        if value not in choices:
            raise ValueError(f"is none of {', '.join(choices)}")
        return choices[value]

    return choose


def _numbers(value: Any) -> list[float]:
    """Return what the reference writes as a tuple in a string, such as "(320, 240)"."""
    found = re.findall(r"-?[\d.]+", value) if isinstance(value, str) else value
    return [float(number) if "." in str(number) else int(number) for number in found]


def _protocol(folder: Any) -> str:
    """Return the protocol that a folder of split files is named after: @CS is CS, and THU-READ's @2 is CS2."""
    name = PurePosixPath(str(folder)).name.removeprefix("@")
    return f"CS{name}" if name.isdecimal() else name


def _smoothing(value: Any) -> float:
    return 0.1 if value else 0.0


def _refused(value: Any) -> None:
    if value:
        raise ValueError("is not offered; the published configurations leave it off")


# Key of the reference -> our key and how the value is read. None where the value says whether others count.
_KEYS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "common.data": ("data.root", str),
    "common.splits": ("data.protocol", _protocol),
    "common.dataset": ("data.dataset", _choice(_DATASETS)),
    "common.batch_size": ("batch_size", int),
    "common.test_batch_size": ("data.eval_batch_size", int),
    "common.num_workers": ("data.num_workers", int),
    "common.learning_rate": ("optimizer.lr", float),
    "common.learning_rate_min": ("optimizer.min_lr", float),
    "common.momentum": ("optimizer.momentum", float),
    "common.weight_decay": ("optimizer.weight_decay", float),
    "common.epochs": ("schedule.epochs", int),
    "common.optim": ("optimizer.name", _choice({"SGD": "sgd", "Adam": "adam", "AdamW": "adamw"})),
    "common.scheduler.name": ("schedule.name", _choice({"cosin": "cosine", "ReduceLR": "plateau", "step": "step"})),
    "common.scheduler.patience": ("schedule.patience", int),
    "common.scheduler.warm_up_epochs": ("schedule.warmup_epochs", int),
    "common.loss.name": ("", _choice({"CE": None})),
    "common.loss.labelsmooth": ("loss.label_smoothing", _smoothing),
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
    "model.temp": ("schedule.tau", _numbers),
    "model.frp": ("network.guidance", bool),
    "model.SEHeads": ("network.recoupling_heads", int),
    "model.N": ("network.num_blocks", int),
    "model.rgb_checkpoint": ("streams.rgb", str),
    "model.depth_checkpoint": ("streams.depth", str),
    "dataset.type": ("modality", _choice(MODALITIES)),
    "dataset.flip": ("augment.flip", float),
    "dataset.rotated": ("augment.rotated", float),
    "dataset.angle": ("augment.angle_deg", _numbers),
    "dataset.Blur": ("", _refused),
    "dataset.resize": ("clip.resize", _numbers),
    "dataset.crop_size": ("clip.crop", int),
}
_BRANCH_FRAMES = ("dataset.low_frames", "dataset.media_frames", "dataset.high_frames")
_SWITCHES = ("model.Network", "common.MultiLoss", "model.sharpness")
_OPTIONAL = ("start.checkpoint", "streams.rgb", "streams.depth")  # an empty name means none


def is_published(values: Mapping[str, Any]) -> bool:
    """Whether the content of a YAML file is of the reference's kind."""
    return any(isinstance(values.get(section), dict) for section in ("common", "model"))


def translate(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of one of the reference's YAML files under our names.

    Raises `ConfigError` that lists every key without a counterpart, and every value that cannot be read.
    """
    flat = _flatten(values)
    ours: dict[str, Any] = {}
    problems = []
    for key, value in flat.items():
        if key in _KEYS:
            name, read = _KEYS[key]
            try:
                _put(ours, name, read(value))
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
        _put(ours, "loss.heads", [1, 0, 0, 0])
    if flat.get("model.sharpness") is False:
        _put(ours, "schedule.tau", [1.0, 1.0])
    if any(key in flat for key in _BRANCH_FRAMES):
        published = (16, 32, 48)
        frames = [flat.get(key, usual) for key, usual in zip(_BRANCH_FRAMES, published, strict=True)]
        _put(ours, "network.branch_frames", frames)
    layout = DATASETS.get(ours.get("data", {}).get("dataset"))
    if layout is not None and layout.depth_template is not None and layout.suffix("depth") == ".jpg":
        _put(ours, "clip.depth", {"mode": "image"})
    if (place := _EVALUATED_AT.get(ours.get("data", {}).get("dataset"))) is not None:
        _put(ours, "clip.crop_xy", place)
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


def _put(ours: dict[str, Any], name: str, value: Any) -> None:
    if not name or (name in _OPTIONAL and not value):
        return
    section, _, key = name.rpartition(".")
    (ours.setdefault(section, {}) if section else ours)[key] = value
