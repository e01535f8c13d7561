"""The published YAML files and command lines of UMDR (TPAMI 2023) -> our configuration.

Source: its config/*.yml, README, and the parser of its train.py, which says what a command line leaves out.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NoReturn

from rgbd.errors import ConfigError
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

_Keys = dict[str, tuple[str, Callable[[Any], Any]]]


# Flag -> our key and how its word is read.
_FLAGS: _Keys = {
    "--data": ("data.root", str),
    "--batch-size": ("batch_size", int),
    "--num_workers": ("data.num_workers", int),
    "--epochs": ("schedule.epochs", int),
    "--type": ("modality", choice({code: MODALITIES[code] for code in ("M", "K")})),
    "--save": ("out", str),
    "--seed": ("seed", int),
    "--sched": ("schedule.name", choice({"cosine": "cosine", "step": "step"})),
    "--lr": ("optimizer.lr", float),
    "--min-lr": ("optimizer.min_lr", float),
    "--warmup-epochs": ("schedule.warmup_epochs", int),
    "--decay-epochs": ("schedule.step_epochs", int),
    "--decay-rate": ("schedule.factor", float),
    "--opt": ("optimizer.name", choice({"sgd": "sgd", "momentum": "sgd", "adam": "adam", "adamw": "adamw"})),
    "--clip-grad": ("optimizer.clip_norm", float),
    "--momentum": ("optimizer.momentum", float),
    "--weight-decay": ("optimizer.weight_decay", float),
    "--ACCUMULATION-STEPS": ("optimizer.accumulate", lambda word: max(1, int(word))),
    "--mixup": ("augment.mixup", float),
    "--shufflemix": ("augment.shufflemix", float),
    "--smoothing": ("loss.label_smoothing", float),
    "--sample-duration": ("clip.num_frames", int),
    "--intar-fatcer": ("network.branch_divisor", int),
    "--distill": ("loss.distillation", float),
    "--temper": ("loss.distillation_temperature", float),
    "--scc-depth": ("network.spatial_fusions", int),
    "--tcc-depth": ("network.temporal_fusions", int),
}
_DEFAULTS = {
    **{"--batch-size": "16", "--num_workers": "10", "--epochs": "100", "--type": "M", "--seed": "123"},
    **{"--sched": "cosine", "--lr": "5e-4", "--min-lr": "1e-5", "--warmup-epochs": "5", "--decay-epochs": "30"},
    **{"--opt": "adamw", "--clip-grad": "5", "--weight-decay": "5e-4", "--mixup": "0.8", "--shufflemix": "0.2"},
    **{"--smprob": "0.3", "--sample-duration": "16", "--intar-fatcer": "2", "--distill": "0.3", "--temper": "0.6"},
}

# Taken for what they stand for by `_finish`, or said otherwise here.
_SPECIAL = ("--config", "--smprob", "--splits", "--FusionNet", "--finetune", "--model-ema-decay")
_SPECIAL_SWITCHES = ("--model-ema", "--fp16")
_SAID_ELSEWHERE = {
    "--resume": "--resume auto goes on with a run; python -m training.import_weights reads weight files",
    "--eval_only": "python -m training.evaluate evaluates a checkpoint",
    "--save_output": "evaluation always writes the scores of every clip",
}

# Flags that its code reads and never uses, or that this project has no need of.
_WITHOUT_MEANING = {
    *("--test-batch-size", "--device", "--local_rank", "--world_size", "--dist_url", "--model", "--demo_dir"),
    *("--drop", "--drop-path", "--drop_path_prob", "--color-jitter", "--aa", "--train-interpolation", "--translate"),
    *("--cooldown-epochs", "--patience-epochs", "--decay-milestones", "--num-classes", "--w", "--DC-weight"),
    *("--warmup-lr", "--amp-opt-level", "--mixup-switch-prob", "--lr-noise-pct", "--lr-noise-std", "--resize-rate"),
    *("--remode", "--recount", "--replace-prob", "--opt-eps"),
}
_SWITCHES_WITHOUT_MEANING = {
    *("--save_grid_image", "--shuffle", "--autoaug", "--repeated-aug", "--no-repeated-aug", "--resplit"),
    *("--temporal-consist", "--mixup-dynamic", "--model-ema-force-cpu", "--use_env"),
}
# What its recipes leave as it is, and this project does not offer: the value that changes nothing.
_NOT_OFFERED = {
    **{"--cutmix": "0", "--mixup-prob": "1", "--mixup-mode": "batch", "--smixmode": "sm", "--reprob": "0"},
    **{"--frp-num": "0", "--sample-window": "1", "--lr-noise": "", "--opt-betas": "", "--cutmix-minmax": ""},
}
_SWITCHES_NOT_OFFERED = ("--strong-aug", "--tempMix", "--MixIntra")

_YAML: _Keys = {
    "common.dataset": ("data.dataset", choice(DATASET_NAMES)),
    "common.num_classes": ("", int),
    "common.loss.name": ("", choice({"SoftCE": None, "CE": None})),
    "common.loss.labelsmooth": ("loss.label_smoothing", smoothing),
    "common.loss_lamdb": ("loss.heads", list),
    "model.Network": ("", choice({"DSNV2": None, "FusionNet": None})),
    "model.SYNC_BN": ("compute.sync_batchnorm", bool),
    "model.knn_attention": ("network.kept_scores", float),
    "model.temp": ("schedule.tau", numbers),
    "model.N": ("network.num_blocks", int),
    "dataset.flip": ("augment.flip", float),
    "dataset.rotated": ("augment.rotated", float),
    "dataset.angle": ("augment.angle_deg", numbers),
    "dataset.Blur": ("", refused),
    "dataset.resize": ("clip.resize", numbers),
    "dataset.crop_size": ("clip.crop", int),
    "dataset.sample_size": ("clip.size", int),
}
_YAML_WITHOUT_MEANING = {
    *("common.visdom", "common.report_freq", "common.dist", "common.vis_feature", "common.DEBUG"),
    *("common.scheduler", "common.MultiLoss", "common.init_epochs", "common.test_batch_size", "model.pretrained"),
    *("model.resumelr", "model.recoupling", "model.sharpness", "model.frp", "model.SEHeads", "dataset.sample_window"),
}


def is_published(values: Mapping[str, Any]) -> bool:
    """Whether the content of a published YAML file is of this method."""
    model = values.get("model")
    return "fusion" in values or (isinstance(model, dict) and model.get("Network") == "DSNV2")


def translate(values: Mapping[str, Any], flags: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return a YAML file's content and the flags after it under our names, and a note for each flag that is dropped.

    The file wins over the flags, as it does there. Raises `ConfigError` that lists every key and flag without a
    counterpart, and every value that cannot be read.
    """
    given, problems = _parsed(flags)
    words = _DEFAULTS | given
    ours: dict[str, Any] = {"network": {"name": "umdr"}}
    flat = {key: value for key, value in _flatten(values).items() if key not in _YAML_WITHOUT_MEANING}
    problems += [f"{key}: is no key of the published files" for key in flat if key not in _YAML and not _of_fusion(key)]
    for table, source in ((_FLAGS, words), (_YAML, flat)):
        for key, (name, read) in table.items():
            if key not in source:
                continue
            try:
                put(ours, name, read(source[key]))
            except (ValueError, TypeError) as error:
                problems.append(f"{key}: {source[key]!r} {error}")
    for flag, neutral in _NOT_OFFERED.items():
        if flag in given and _differs(given[flag], neutral):
            problems.append(
                f"{flag} {given[flag]}: is not offered; its published commands leave it at {neutral or 'none'}"
            )
    problems += [
        f"{flag}: is not offered; its published commands leave it off"
        for flag in _SWITCHES_NOT_OFFERED
        if flag in given
    ]
    if problems:
        raise ConfigError("; ".join(sorted(problems)))
    _finish(ours, words, flat)
    return ours, _notes(given)


def _finish(ours: dict[str, Any], words: Mapping[str, str], flat: Mapping[str, Any]) -> None:
    """Do, in place, what takes several flags or keys of theirs."""
    put(ours, "optimizer.nesterov", words["--opt"] == "sgd")
    put(ours, "optimizer.decayed", "matrices")
    share = float(words["--smprob"])
    if not float(words["--mixup"]) or not share:  # without MixUp it mixes nothing
        put(ours, "augment.shufflemix", 0.0)
    elif share >= 1:
        put(ours, "augment.mixup", 0.0)
    else:
        put(ours, "augment.shufflemix_share", share)
    folders = [part for part in PurePosixPath(words.get("--splits", "")).parts if part.startswith("@")]
    if folders:
        of_ntu_120 = "120" if flat.get("common.num_classes") == 120 else ""
        put(ours, "data.protocol", protocol(folders[-1]) + of_ntu_120)
    if code := words.get("--FusionNet"):
        ours["modality"] = "rgbd"
        for stream in ("rgb", "depth"):
            put(ours, f"streams.{stream}", flat.get(f"fusion.{stream}_checkpoint.{code}"))
    if checkpoint := words.get("--finetune"):
        ours["start"] = {"checkpoint": checkpoint, "new": ["heads"]}
    if "--model-ema" in words:
        put(ours, "optimizer.ema_decay", float(words.get("--model-ema-decay", "0.99996")))
    if "--fp16" in words:
        put(ours, "compute.autocast", "fp16")
    put_evaluation_of_data_set(ours)


def _notes(given: Mapping[str, str]) -> list[str]:
    notes = [
        f"{flag}: does nothing there, and is left out"
        for flag in given
        if flag in _WITHOUT_MEANING | _SWITCHES_WITHOUT_MEANING
    ]
    notes += [f"{flag}: {instead}" for flag, instead in _SAID_ELSEWHERE.items() if flag in given]
    if code := given.get("--FusionNet"):
        notes.append(f"--FusionNet {code}: chooses the streams' files alone; the frames are those of --sample-duration")
        notes += [f"{flag}: does nothing in a fusion" for flag in ("--distill", "--temper") if flag in given]
    return notes


def _parsed(flags: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the word that each flag has, and what is wrong with them."""
    parser = _Parser(argument_default=argparse.SUPPRESS, allow_abbrev=False, add_help=False)
    for flag in (*_FLAGS, *_SPECIAL, *_WITHOUT_MEANING, *_NOT_OFFERED):
        names = ("--decay-rate", "--dr") if flag == "--decay-rate" else (flag,)
        parser.add_argument(*names, dest=flag)
    parser.add_argument("--resume", dest="--resume")
    switches = {*_SPECIAL_SWITCHES, *_SWITCHES_WITHOUT_MEANING, *_SWITCHES_NOT_OFFERED, *_SAID_ELSEWHERE} - {"--resume"}
    for flag in switches:
        parser.add_argument(flag, dest=flag, action="store_const", const="")
    given, unknown = parser.parse_known_args(list(flags))
    return vars(given), [f"{flag}: is no flag of its train.py or train_fusion.py" for flag in unknown]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise `ConfigError` instead of ending the process."""
        raise ConfigError(message)


def _differs(word: str, neutral: str) -> bool:
    try:
        return float(word) != float(neutral)
    except ValueError:
        return word != neutral


def _of_fusion(key: str) -> bool:
    return key.startswith(("fusion.rgb_checkpoint", "fusion.depth_checkpoint"))


def _flatten(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of all sections, and those of `loss` and of the checkpoints, with dots between."""
    flat: dict[str, Any] = {}
    for section, keys in values.items():
        if not isinstance(keys, dict):
            raise ConfigError(f"{section}: expected a section of the published files")
        for key, value in keys.items():
            nested = value if isinstance(value, dict) and (section == "fusion" or key == "loss") else None
            flat |= (
                {f"{section}.{key}": value}
                if nested is None
                else {f"{section}.{key}.{k}": v for k, v in nested.items()}
            )
    return flat
