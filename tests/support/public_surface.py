"""The public surface of the project: `python -m tests.support.public_surface > tests/public_surface.txt`.

The running code is asked for all of it, by the names that users know: a command for the parser that it makes, the
service for its OpenAPI document and its answers, files and settings for their schema. Help texts, limits of values and
the order of options are no part of it.
"""

import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, is_typeddict
from unittest.mock import patch

import numpy as np
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel, create_model

import clients.answers
import clients.client
import clients.errors
import clients.options
import export
import export.predictor.results
from benchmarks.support.tiny_bundle import SPEC, make_bundle
from export.bundle.manifest import BundleManifest
from export.predictor.predictor import Predictor
from preprocess.custom.manifest import Row
from rgbd.camera.registration import Registration
from rgbd.dataset.layouts import DATASETS
from rgbd.dataset.records import ClipRecord
from rgbd.dataset.run_info import RunInfo
from rgbd.recording.videos.matroska_calibration import AttachedCalibration
from rgbd_motion import COMMANDS, NAME
from serve.app import create_app
from serve.inference.loading import load_models
from serve.keys import ApiKey
from serve.schemas import ClipMeta
from serve.settings import Settings
from tests.support.command_lines import command_lines
from tests.support.schema_lines import model_lines
from tests.support.service_lines import address_lines, error_lines, metric_lines
from training.config.families import DEFAULT_FAMILY, FAMILIES, Sections, find_family
from training.config.schema import TrainingConfig
from training.networks.dsn.family import FAMILY
from training.run.checkpoint import Checkpoint
from training.run.evaluation import all_metrics
from training.run.metrics import Evaluation, ScoresSource, save_evaluation


def with_sections(sections: Sections) -> type[BaseModel]:
    """Return the configuration with a family's sections."""
    fields: dict[str, Any] = {name: (kind, kind()) for name, kind in vars(sections).items()}
    return create_model("TrainingConfig", __base__=TrainingConfig, **fields)


# What users know by another name than Python does. Where it moves, its import above changes, and the list does not.
FILES: dict[str, type[BaseModel]] = {  # a file, and the place in it
    "bundle.json": BundleManifest,
    "checkpoint": Checkpoint,
    "clips.csv": Row,
    "config.yml": with_sections(FAMILY.sections),
    "keys.json keys[]": ApiKey,
    "meta": ClipMeta,  # a field of the form that POST /predict takes
    "preprocess.json": RunInfo,
    "records.jsonl": ClipRecord,
    "registration.json *": Registration,
    "rgbd-calibration.json": AttachedCalibration,
}
_SPECIAL = ("__init__", "__enter__", "__aenter__")  # methods that users call without naming them
CLIENT: tuple[ModuleType, ...] = (clients.client, clients.options, clients.answers, clients.errors)

ROOT = Path(__file__).parents[2]


def public_surface() -> list[str]:
    """Return a line for each entry, sorted."""
    return sorted({f"{section} {line}" for section, find in SECTIONS.items() for line in find()})


def commands() -> Iterator[str]:
    yield from command_lines(ROOT)
    for name, command in COMMANDS.items():  # each has the options of its module
        yield f"{NAME} {name} = python -m {command.module.removesuffix('.__main__')}"


def files() -> Iterator[str]:
    known = {model.__name__: name for name, model in FILES.items()}
    for name, model in FILES.items():
        file, _, place = name.partition(" ")
        yield from (f"{file} {line}" for line in model_lines(model, place, known))
    for family in FAMILIES.keys() - {DEFAULT_FAMILY}:
        for section, kind in vars(find_family(family).sections).items():
            yield from (f"config.yml of {family} {line}" for line in model_lines(kind, section, known))


def settings() -> Iterator[str]:
    for line in model_lines(Settings):
        name, described = line.split(" ", 1)
        yield f"{Settings.model_config['env_prefix']}{name.upper()} {described}"


@cache
def service() -> tuple[FastAPI, dict[str, tuple[str, ...]]]:
    """Return an application with a model, which has not been started, and the labels of its metrics."""
    collectors: list[Any] = []
    register = CollectorRegistry.register

    def register_and_keep(registry: CollectorRegistry, collector: Any) -> None:
        register(registry, collector)
        collectors.append(collector)

    with TemporaryDirectory() as folder, patch.object(CollectorRegistry, "register", register_and_keep):
        chosen = Settings(bundle=make_bundle(Path(folder)))
        app = create_app(load_models(chosen), chosen)
    metrics = [collector for collector in collectors if isinstance(collector, MetricWrapperBase)]
    return app, {family.name: metric._labelnames for metric in metrics for family in metric.collect()}


def errors() -> Iterator[str]:
    clip = {"shape": [1, *SPEC.shape], "datatype": "UINT8", "data": np.zeros(SPEC.shape).flatten().tolist()}
    clips = {"inputs": [{"name": stream, **clip} for stream in ("rgb", "depth")]}
    yield from error_lines(service()[0], clips)


def client() -> Iterator[str]:
    for module in CLIENT:
        for name, member in _classes(module):
            yield from _class(f"{module.__name__}.{name}", member)


def predictor() -> Iterator[str]:
    """Yield what a script has: how a model is loaded, what it can be asked, and what comes back."""
    yield f"export.load_model{_signature(export.load_model)}"
    yield from _class("Predictor", Predictor)
    for name, member in _classes(export.predictor.results):
        yield from _class(name, member)


def _classes(module: ModuleType) -> Iterator[tuple[str, type]]:
    for name, member in vars(module).items():
        if inspect.isclass(member) and member.__module__ == module.__name__ and not name.startswith("_"):
            yield name, member


def _class(name: str, described: type) -> Iterator[str]:
    yield f"{name}({', '.join(base.__name__ for base in described.__bases__)})"
    if is_typeddict(described):
        yield from (f"{name} {key}: {_plain(kind)}" for key, kind in described.__annotations__.items())
    nameless = [base for base in described.__bases__ if base.__name__.startswith("_")]  # whose methods are its own
    for method, member in (item for part in (*nameless, described) for item in vars(part).items()):
        if inspect.isfunction(member) and (method in _SPECIAL or not method.startswith("_")):
            yield f"{name}.{method}{_signature(member)}"
        if isinstance(member, property):
            yield f"{name}.{method}"


def _signature(function: Callable[..., Any]) -> str:
    return re.sub(r"\*<class '(\w+)'>", r"Unpack[\1]", _plain(inspect.signature(function)))


def _plain(annotation: object) -> str:
    """Return an annotation without the modules of types: which one has Path depends on the version of Python."""
    return re.sub(r"\b([a-z_]\w*[.])+", "", str(annotation))


def evaluation() -> Iterator[str]:
    """Yield the figures of metrics-<split>.json, and the arrays of scores-<split>.npz, for a network of one stream."""
    scores = dict.fromkeys(("logits", "logits_small", "logits_medium", "logits_large"), np.eye(2, dtype=np.float32))
    source = ScoresSource(weights=("",), data=Path("data"), split="valid")
    result = Evaluation(scores, np.arange(2), ("a", "b"), source)
    yield from (f"figure {name}" for name in all_metrics(result, TrainingConfig(modality="rgb"), temperature=1.0))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "scores.npz"
        save_evaluation(path, result)
        with np.load(path) as arrays:
            yield from (f"array {name}" for name in arrays)


def data_sets() -> Iterator[str]:
    """Yield where the frames of a clip lie, and its split file and name there."""
    clip = "PARENT/CLIP"
    for name, spec in DATASETS.items():
        yield f"{name} {len(spec.class_names)} classes"
        for stream in spec.streams:
            yield f"{name} {stream} {spec.frame_path(Path(), stream, clip, 0)}"
        yield f"{name} split {spec.split_file(Path(), 'train', 'PROTOCOL')} {spec.split_name(clip)}"


def extras() -> Iterator[str]:
    yield from tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def targets() -> Iterator[str]:
    yield from re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)


SECTIONS: dict[str, Callable[[], Iterator[str]]] = {
    "api": lambda: address_lines(service()[0]),
    "client": client,
    "command": commands,
    "configuration": lambda: (str(path.relative_to(ROOT)) for path in ROOT.glob("configs/**/*.yml")),
    "data set": data_sets,
    "error": errors,
    "evaluation": evaluation,
    "extra": extras,
    "file": files,
    "make": targets,
    "metric": lambda: metric_lines(*service()),
    "python": predictor,
    "setting": settings,
}

if __name__ == "__main__":
    with redirect_stdout(sys.stderr):  # of what is imported on the way
        lines = public_surface()
    print("\n".join(lines))
