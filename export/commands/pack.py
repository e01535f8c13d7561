"""`python -m export pack BUNDLE --out FILE.zip`: a bundle as one file."""

import argparse
import shutil
import zipfile
from pathlib import Path

from export.bundle.folder import Bundle, read_bundle
from export.bundle.manifest import MANIFEST_NAME, SIGNATURE_NAME
from rgbd.files import atomic_file
from rgbd.locks import sole_writer
from rgbd.overlap import check_apart, check_replaceable
from rgbd.terminal import say


def pack_bundle(bundle: Bundle, out: Path) -> None:
    """Write the bundle as a .zip, atomically; weights do not shrink, so they are stored as they are."""
    names = [MANIFEST_NAME, *(file.path for file in bundle.manifest.files)]
    if (bundle.folder / SIGNATURE_NAME).exists():
        names.append(SIGNATURE_NAME)
    with (
        sole_writer(out),
        atomic_file(out) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        for name in names:
            with (bundle.folder / name).open("rb") as source, archive.open(name, "w", force_zip64=True) as member:
                shutil.copyfileobj(source, member, 1 << 20)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command reads."""
    parser.add_argument("bundle", type=Path, help="what `python -m export` wrote")
    parser.add_argument("--out", type=Path, help="the file (default: the folder's name and .zip)")


def run(options: argparse.Namespace) -> int:
    """Pack a bundle; returns the exit code."""
    bundle = options.bundle.absolute()  # "." has no name
    out = options.out or bundle.with_name(bundle.name + ".zip")
    check_apart([out], [bundle])
    check_replaceable(out, ".zip")
    pack_bundle(read_bundle(options.bundle), out)
    say(f"{out} ({out.stat().st_size / 1e6:.1f} MB)")
    return 0
