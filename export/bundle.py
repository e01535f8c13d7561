"""The bundle: a folder with a model and everything needed to serve it, described by bundle.json."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from preprocess.clip import ClipSpec
from preprocess.errors import UserError

MANIFEST_NAME = "bundle.json"

Modality = Literal["rgb", "depth", "rgbd"]
Stream = Literal["rgb", "depth"]


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


class ArtifactFile(_Record):
    """One file of the bundle, with its place, its hash and what it was made for."""

    path: str
    sha256: str
    size_bytes: int
    runtime: str
    precision: str
    built_for: str | None = None


class Parity(_Record):
    """How far one artifact's logits lie from PyTorch's on the same clips."""

    artifact: str
    max_difference: float
    mean_difference: float
    top1_agreement: float
    num_clips: int


class Source(_Record):
    """Where the weights come from."""

    checkpoint_sha256: str
    config: dict[str, Any]
    metrics: dict[str, float]
    git_commit: str | None


class BundleManifest(_Record):
    """The content of bundle.json."""

    schema_version: Literal[1] = 1
    name: str
    version: str
    created: datetime = Field(default_factory=lambda: datetime.now(UTC))
    task: str = "motion recognition"
    modality: Modality
    labels: tuple[str, ...]
    clip_spec: ClipSpec
    temperature: float = Field(1.0, gt=0)  # divides the logits before softmax; 1 until one is fitted
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    files: tuple[ArtifactFile, ...]
    parity: tuple[Parity, ...]
    source: Source

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that a request must bring, in the order of the graph's inputs."""
        return ("rgb", "depth") if self.modality == "rgbd" else (self.modality,)


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files were checked against their hashes."""

    folder: Path
    manifest: BundleManifest

    def artifact(self, runtime: str) -> Path:
        """Return the path of the file made for `runtime`; raises `BundleError` when there is none."""
        for file in self.manifest.files:
            if file.runtime == runtime:
                return self.folder / file.path
        have = ", ".join(file.runtime for file in self.manifest.files)
        raise BundleError(f"{self.folder}: holds no file for the runtime {runtime!r}, only for: {have}")


def describe_file(path: Path, *, runtime: str, precision: str) -> ArtifactFile:
    """Return the manifest's entry for a file that lies in the bundle's folder."""
    return ArtifactFile(
        path=path.name,
        sha256=sha256(path),
        size_bytes=path.stat().st_size,
        runtime=runtime,
        precision=precision,
    )


def sha256(path: Path) -> str:
    """Return the file's SHA-256 as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, manifest: BundleManifest) -> None:
    """Write bundle.json into `folder`, whose files `manifest` describes."""
    (folder / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_bundle(folder: Path) -> Bundle:
    """Return the bundle in `folder` after checking its schema and the hash of every file.

    Raises `BundleError`, naming the file, the reason and the remedy.
    """
    path = folder / MANIFEST_NAME
    try:
        manifest = BundleManifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be read ({error.strerror}); give a folder that `python -m export` wrote"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BundleError(f"{path}: {where}: {first['msg']}; export the checkpoint again with this version") from error
    for file in manifest.files:
        _check_file(folder, file)
    return Bundle(folder, manifest)


def _check_file(folder: Path, file: ArtifactFile) -> None:
    path = folder / file.path
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BundleError(f"{path}: lies outside the bundle; export the checkpoint again")
    if not path.is_file():
        raise BundleError(f"{path}: is missing; copy the whole bundle or export the checkpoint again")
    if sha256(path) != file.sha256:
        raise BundleError(f"{path}: does not match the hash in {MANIFEST_NAME}; copy it or export the checkpoint again")
