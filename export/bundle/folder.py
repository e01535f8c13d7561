"""A bundle's folder: its files, which bundle.json lists with their hashes."""

import hashlib
import json
import logging
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from export.bundle.compatibility import OLDEST_SCHEMA, upgraded
from export.bundle.manifest import (
    MANIFEST_NAME,
    SCHEMA_MINOR,
    SCHEMA_VERSION,
    SIGNATURE_NAME,
    Artifact,
    BundleError,
    BundleFile,
    BundleManifest,
    ForRuntime,
)
from rgbd.errors import reason_of
from rgbd.files import atomic_file
from rgbd.terminal import warn_once

MAX_MANIFEST_BYTES = 10_000_000

_LONGEST_REASON = 400  # it may repeat what the file says

_Artifact = TypeVar("_Artifact", bound=ForRuntime)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files were checked against their hashes."""

    folder: Path
    manifest: BundleManifest

    def artifact(self, name: str) -> Artifact:
        """Return the artifact of that name; raises `BundleError` when there is none."""
        return named(self, self.manifest.artifacts, name)

    def path(self, artifact: Artifact) -> Path:
        """Return where the file lies that the artifact's runtime loads."""
        return self.folder / artifact.path


def named(bundle: Bundle, artifacts: Sequence[_Artifact], name: str) -> _Artifact:
    """Return the one of these artifacts of a bundle that is called so; raises `BundleError` when there is none."""
    for artifact in artifacts:
        if artifact.name == name:
            return artifact
    have = ", ".join(artifact.name for artifact in artifacts)
    raise BundleError(f"{bundle.folder}: holds no artifact {name!r}, only: {have}")


def describe_files(folder: Path) -> tuple[BundleFile, ...]:
    """Return the manifest's entries of all files in the folder but the manifest itself."""
    others = {MANIFEST_NAME, SIGNATURE_NAME}
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in others)
    return tuple(
        BundleFile(path=path.relative_to(folder).as_posix(), sha256=sha256(path), size_bytes=path.stat().st_size)
        for path in paths
    )


def sha256(path: Path) -> str:
    """Return the file's SHA-256 as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, manifest: BundleManifest) -> None:
    """Write bundle.json into `folder`, whose files `manifest` describes."""
    with atomic_file(folder / MANIFEST_NAME) as temporary:
        temporary.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_bundle(folder: Path, public_key: Path | None = None) -> Bundle:
    """Return the bundle in `folder` after checking its schema and the hash of every file.

    With a public key, a PEM file, only one that its owner has signed. Raises `BundleError`, naming the file, the reason
    and the remedy.
    """
    manifest = read_manifest(folder, public_key)
    for file in manifest.files:
        _check_file(folder, file)
    return Bundle(folder, manifest)


def read_manifest(folder: Path, public_key: Path | None = None) -> BundleManifest:
    """Return the content of bundle.json alone, its signature checked if a key is given; raises `BundleError`.

    One of an earlier schema is returned as this schema says it. Of a newer minor, fields that are not known here are
    left out, with a warning in the log.
    """
    path = folder / MANIFEST_NAME
    try:
        encoded = _read(path)
        if public_key is not None:
            _check_signature(folder, encoded, public_key)
        return _parse(path, json.loads(encoded))
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be read ({reason_of(error)}); give a folder that `python -m export` wrote"
        ) from error
    except ValidationError as error:
        raise BundleError(f"{path}: {_reason(error)}; export the checkpoint again with this version") from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: is not JSON ({error}); copy the bundle or export the checkpoint again") from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        encoded = file.read(MAX_MANIFEST_BYTES + 1)
    if len(encoded) > MAX_MANIFEST_BYTES:
        raise BundleError(
            f"{path}: is larger than {MAX_MANIFEST_BYTES / 1e6:.0f} MB; copy the bundle or export the checkpoint again"
        )
    return encoded


def _reason(error: ValidationError) -> str:
    """Return the first thing that is wrong, and where it is; our own sentences about the whole say that themselves."""
    first = error.errors()[0]
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] != "value_error" or first["loc"]:
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        reason = f"{where}: {reason}"
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]}..."


def _check_signature(folder: Path, manifest: bytes, public_key: Path) -> None:
    try:
        from export.bundle.signature import check_signature  # noqa: PLC0415  an optional dependency
    except ModuleNotFoundError as error:
        raise BundleError("checking signatures needs cryptography; pip install 'rgbd-motion[sign]'") from error
    signature = folder / SIGNATURE_NAME
    check_signature(manifest, signature.read_bytes() if signature.exists() else None, public_key, folder)


def _parse(path: Path, content: Any) -> BundleManifest:
    """Return the manifest that bundle.json's content is; raises `BundleError` or `ValidationError`."""
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise BundleError(
            f"{path}: is of schema {version}, and this version of rgbd-motion reads {OLDEST_SCHEMA} to "
            f"{SCHEMA_VERSION}; update it, or export the checkpoint again"
        )
    if isinstance(version, int) and version < OLDEST_SCHEMA:
        raise BundleError(f"{path}: is of the older schema {version}; export the checkpoint again with this version")
    if version == 2:
        warn_once(
            _logger,
            f"bundle {content.get('name')}: is of schema 2, which does not say how its training clips were prepared: "
            "it takes clips that were prepared like them, and no raw recordings; export a checkpoint of this version",
        )
    if isinstance(content, dict):
        content = upgraded(content)
    minor = content.get("schema_minor") if isinstance(content, dict) else None
    if isinstance(minor, int) and minor > SCHEMA_MINOR:
        content = _without_unknown(content, minor)
    return BundleManifest.model_validate_json(json.dumps(content))


def _without_unknown(content: dict[str, Any], minor: int) -> dict[str, Any]:
    """Return the content of a newer minor as one of this minor: without the fields that are not known here."""
    content = {**content, "schema_minor": SCHEMA_MINOR}
    try:
        BundleManifest.model_validate_json(json.dumps(content))
    except ValidationError as error:
        unknown = [found["loc"] for found in error.errors() if found["type"] == "extra_forbidden"]
        for *place, field in unknown:
            part: Any = content
            for key in place:
                part = part[key]
            del part[field]
        if unknown:
            warn_once(
                _logger,
                f"bundle {content.get('name')}: is of schema {SCHEMA_VERSION}.{minor}, newer than "
                f"{SCHEMA_VERSION}.{SCHEMA_MINOR}; ignored: {', '.join('.'.join(map(str, loc)) for loc in unknown)}",
            )
    return content


def member(folder: Path, name: str) -> Path:
    """Return where a listed file lies in the bundle's folder; raises `BundleError` for a name that leads elsewhere."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):  # as by a link
        raise BundleError(f"{str(path)!r}: lies outside the bundle; export the checkpoint again")
    return path


def _check_file(folder: Path, file: BundleFile) -> None:
    try:
        path = member(folder, file.path)
        if not path.is_file():
            raise BundleError(f"{path}: is missing; copy the whole bundle or export the checkpoint again")
        if path.stat().st_size != file.size_bytes or sha256(path) != file.sha256:
            raise BundleError(
                f"{path}: does not match the hash in {MANIFEST_NAME}; copy it or export the checkpoint again"
            )
    except (OSError, RuntimeError) as error:  # the latter of links that lead in a circle
        where = reprlib.repr(file.path)
        raise BundleError(f"{folder}: its file {where} cannot be read ({reason_of(error)}); copy it again") from error
