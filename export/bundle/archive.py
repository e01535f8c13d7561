"""Bundles as one file, opened safely: a folder, or a .zip that `python -m export pack` has written."""

import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from export.bundle.folder import MAX_MANIFEST_BYTES, Bundle, member, read_bundle, read_manifest
from export.bundle.manifest import MANIFEST_NAME, SIGNATURE_NAME, BundleError, BundleManifest
from rgbd.errors import reason_of
from rgbd.scratch import scratch_folder

# In tables, in what is packed, or in how; and names that no file can have.
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, LookupError, RuntimeError, ValueError)
_MAX_BYTES = 8_000_000_000  # of all files together


@contextmanager
def open_bundle(path: Path, public_key: Path | None = None) -> Iterator[Bundle]:
    """Yield the bundle in a folder, or in a .zip, whose files then lie in a temporary folder while the block runs.

    Of a .zip only what its bundle.json lists is written, under those names and no larger than listed. Raises
    `BundleError` as `read_bundle` does.
    """
    if _is_folder(path):
        yield read_bundle(path, public_key)
        return
    with scratch_folder() as folder:
        with _archive(path) as archive:
            _unpack(archive, folder, public_key)
        yield read_bundle(folder, public_key)


def peek(path: Path) -> BundleManifest:
    """Return the manifest of a bundle, a folder or a .zip, without looking at its files; raises `BundleError`."""
    if _is_folder(path):
        return read_manifest(path)
    with scratch_folder() as folder:
        with _archive(path) as archive:
            _copy(archive, MANIFEST_NAME, folder, MAX_MANIFEST_BYTES + 1)
        return read_manifest(folder)


def _is_folder(path: Path) -> bool:
    """Return whether it is a folder, or a .zip; raises `BundleError` for what is neither."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:  # names that no file can have are a ValueError
        raise BundleError(
            f"{path}: cannot be read ({reason_of(error)}); give a folder that `python -m export` wrote, or its .zip"
        ) from error
    if stat.S_ISDIR(mode):
        return True
    if path.suffix == ".zip":
        return False
    remedy = (
        f"give its folder, {path.parent}" if path.name == MANIFEST_NAME else "give the bundle's folder, or its .zip"
    )
    raise BundleError(f"{path}: is a file, and no .zip; {remedy}")


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _DAMAGE as error:
        raise BundleError(f"{path}: cannot be unpacked ({reason_of(error)}); pack the bundle again") from error


def _unpack(archive: zipfile.ZipFile, folder: Path, public_key: Path | None) -> None:
    _copy(archive, MANIFEST_NAME, folder, MAX_MANIFEST_BYTES + 1)
    if SIGNATURE_NAME in archive.namelist():
        _copy(archive, SIGNATURE_NAME, folder, MAX_MANIFEST_BYTES + 1)
    files = read_manifest(folder, public_key).files
    if sum(file.size_bytes for file in files) > _MAX_BYTES:
        raise BundleError(f"{archive.filename}: is larger than {_MAX_BYTES / 1e9:.0f} GB unpacked; use it as a folder")
    for file in files:
        _copy(archive, file.path, folder, file.size_bytes)


def _copy(archive: zipfile.ZipFile, name: str, folder: Path, max_bytes: int) -> None:
    """Write a member, at most so many bytes of it: more would not match its hash anyway."""
    target = member(folder, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(name) as source, target.open("wb") as file:
        left = max_bytes
        while left and (part := source.read(min(left, 1 << 20))):
            left -= len(part)
            file.write(part)
