"""`python -m export inspect BUNDLE`: what is in a bundle, after checking that it is whole."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from export.bundle.archive import open_bundle
from export.bundle.manifest import BundleManifest, Live, LiveArtifact
from export.commands.tables import artifacts_table
from rgbd.clip.preparation import Preparation

_MAX_LABELS = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command reads."""
    parser.add_argument("bundle", type=Path, help="what `python -m export` wrote, or that as a .zip")
    parser.add_argument("--json", action="store_true", help="print bundle.json itself")


def run(options: argparse.Namespace) -> int:
    """Print a bundle; returns the exit code."""
    with open_bundle(options.bundle) as bundle:
        manifest, artifacts = bundle.manifest, artifacts_table(bundle)
    console = Console(highlight=False, markup=False)  # labels may have brackets
    if options.json:
        console.print_json(manifest.model_dump_json())
        return 0
    for table in (_facts(manifest), _tensors(manifest), artifacts, _files(manifest)):
        console.print(table)
        console.print()
    return 0


def _facts(manifest: BundleManifest) -> Table:
    clip, source = manifest.clip_spec, manifest.source
    labels = ", ".join(manifest.labels[:_MAX_LABELS])
    more = f" and {len(manifest.labels) - _MAX_LABELS} more" if len(manifest.labels) > _MAX_LABELS else ""
    table = Table(title=f"{manifest.name} {manifest.version}", show_header=False, box=None, title_justify="left")
    for name, value in {
        "made": f"{manifest.created:%Y-%m-%d %H:%M} UTC",
        "modality": manifest.modality,
        "classes": f"{len(manifest.labels)}: {labels}{more}",
        "clip": "{} frames of {}x{}, the middle {}x{} of {}x{}".format(
            clip.num_frames, *clip.size, *clip.crop, *clip.resize
        ),
        "preparation": _prepared_as(manifest.preparation),
        "temperature": f"{manifest.temperature:.3f}",
        "unknown motions": "are told" if manifest.rejection is not None else "are not told: nothing was fitted",
        "a training clip": f"lasts {manifest.clip_s:g} s" if manifest.clip_s is not None else "of unknown length",
        "live": _live(manifest.live),
        "checkpoint": f"{source.checkpoint} ({source.checkpoint_sha256[:12]})",
        "its figures": ", ".join(f"{name} {value:.3f}" for name, value in source.metrics.items()) or "none",
        "commit": source.git_commit or "unknown",
    }.items():
        table.add_row(name, value)
    return table


def _prepared_as(preparation: Preparation | None) -> str:
    if preparation is None:
        return "not known: it takes prepared clips only"
    size = "{}x{}".format(*preparation.size)
    people = "; some motions are those of two people" if preparation.has_mutual_actions else ""
    return f"masks {preparation.masks}, roi {preparation.roi}, {size}, version {preparation.version}{people}"


def _live(live: Live | None) -> str:
    if live is None:
        return "no graphs for streams without end; export with --live"
    compared = (f"{item.name} ({_difference(item)})" for item in live.artifacts)
    return (
        f"features lag {live.steps.lag} sampled frames; windows within a stream against PyTorch: {', '.join(compared)}"
    )


def _difference(artifact: LiveArtifact) -> str:
    if artifact.inner is None:
        return "was not compared yet"
    return f"logits differ {artifact.inner.max_difference:.1e}"


def _tensors(manifest: BundleManifest) -> Table:
    table = Table("tensor", "", "type", "meaning", box=None)
    for kind, tensors in (("in", manifest.inputs), ("out", manifest.outputs)):
        for tensor in tensors:
            shape = " x ".join(map(str, tensor.shape))
            table.add_row(tensor.name, kind, f"{tensor.dtype} {shape}", tensor.meaning)
    return table


def _files(manifest: BundleManifest) -> Table:
    table = Table("file", box=None)
    table.add_column("MB", justify="right")
    table.add_column("SHA-256")
    for file in manifest.files:
        table.add_row(file.path, f"{file.size_bytes / 1e6:.1f}", file.sha256[:16])
    return table
