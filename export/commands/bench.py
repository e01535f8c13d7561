"""`python -m export bench BUNDLE`: how fast every artifact is on this machine, side by side, and where time goes."""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from export.bench.chart import chart
from export.bench.contenders import TORCH, Contender, Row, contenders
from export.bench.profile import profile
from export.bench.stages import measure_stages
from export.bundle.folder import Bundle, read_bundle
from export.runtimes.loading import unavailable_reason
from export.runtimes.machine import machine
from export.runtimes.registry import spec_of
from rgbd.errors import UserError
from rgbd.files import atomic_file
from rgbd.overlap import check_apart, check_replaceable
from rgbd.terminal import positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command reads."""
    parser.add_argument("bundle", type=Path, help="what `python -m export` wrote")
    parser.add_argument(
        "--runtimes",
        type=lambda text: text.split(","),
        default=["all"],
        metavar="A,B",
        help=f"artifacts by their names, and {TORCH} where its checkpoint is (all)",
    )
    parser.add_argument(
        "--batch",
        type=lambda text: [positive(word) for word in text.split(",")],
        default=[1],
        metavar="1,2,4",
        help="clips at a time (1)",
    )
    parser.add_argument("--rounds", type=positive, default=20, metavar="N", help="runs of each (20)")
    parser.add_argument("--layers", action="store_true", help="where the time goes, by module (on the CPU)")
    parser.add_argument("--no-stages", action="store_true", help="do not time decoding and transforming")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw them there, as .svg")


def run(options: argparse.Namespace) -> int:
    """Time a bundle; returns the exit code."""
    bundle = read_bundle(options.bundle)
    for option, path, suffix in (("--json", options.json, ".json"), ("--picture", options.picture, ".svg")):
        if path is not None:
            check_apart([path], [bundle.folder], option=option)
            check_replaceable(path, suffix, option=option)
    if options.json and options.picture and options.json.resolve() == options.picture.resolve():
        raise UserError(f"--picture {options.picture}: is what --json names, too; name another file")
    names = _names(bundle, options.runtimes)
    if (largest := max(options.batch)) > bundle.manifest.max_batch:
        raise UserError(
            f"--batch {largest}: {options.bundle} was exported for batches of up to {bundle.manifest.max_batch} clips"
        )
    rows = measure(bundle, names, options.batch, options.rounds)
    stages = {} if options.no_stages else measure_stages(bundle)
    console = Console(highlight=False)
    console.print(_table(rows, bundle))
    for stage, milliseconds in stages.items():
        console.print(f"{stage}: {milliseconds:.1f} ms a clip")
    report: dict[str, Any] = {
        "machine": machine(),
        "model": bundle.manifest.name,
        "rows": [asdict(row) for row in rows],
        "stages_ms": stages,
    }
    if options.layers:
        report["layers_ms"] = _layers(bundle, names, console)
    if options.json:
        with atomic_file(options.json) as temporary:
            temporary.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if options.picture:
        with atomic_file(options.picture) as temporary:
            temporary.write_text(chart(rows, _title(bundle)), encoding="utf-8")
    return 0


def measure(bundle: Bundle, names: Sequence[str], batches: Sequence[int], rounds: int) -> list[Row]:
    """Return a row for each artifact and batch size; the artifacts take turns, because machines are shared."""
    rows = []
    with contenders(bundle, names) as all_of_them:
        seconds: dict[tuple[str, int], list[float]] = {}
        for number in track(range(1 + rounds), "measuring", console=Console(stderr=True)):
            for batch in batches:
                for contender in all_of_them:
                    spent = contender.run(batch)
                    if number:  # the first round allocates
                        seconds.setdefault((contender.name, batch), []).append(spent)
        for contender in all_of_them:
            peak = contender.peak_mb()
            rows += [_row(contender, batch, seconds[contender.name, batch], peak) for batch in batches]
    return rows


def _row(contender: Contender, batch: int, seconds: list[float], peak_mb: float) -> Row:
    p50, p95, p99 = (float(value) for value in 1000 * np.percentile(seconds, (50, 95, 99)))
    return Row(contender.name, batch, p50, p95, p99, 1000 * batch / p50, contender.load_s, peak_mb)


def _names(bundle: Bundle, wanted: Sequence[str]) -> list[str]:
    """Return the artifacts to time: those that are named, or all that run here, and PyTorch with the checkpoint."""
    known = [item.name for item in bundle.manifest.artifacts if not unavailable_reason(item)]
    # The bundle may have come here without its checkpoint, and to where torch is not installed.
    if find_spec("torch") is not None and os.access(bundle.manifest.source.checkpoint, os.R_OK):
        known.append(TORCH)
    if wanted == ["all"]:
        return known
    if unknown := sorted(set(wanted) - set(known)):
        raise UserError(
            f"{', '.join(unknown)}: not in {bundle.folder}, or not for this machine; choose of {', '.join(known)}"
        )
    return list(wanted)


def _table(rows: Sequence[Row], bundle: Bundle) -> Table:
    table = Table("artifact", title=_title(bundle), title_justify="left", box=None)
    for column in ("batch", "p50 ms", "p95", "p99", "clips/s", "times", "load s", "peak MB"):
        table.add_column(column, justify="right")
    slowest = max(row.p50_ms / row.batch for row in rows)
    for row in rows:
        times = slowest * row.batch / row.p50_ms
        figures = (row.p50_ms, row.p95_ms, row.p99_ms)
        table.add_row(
            row.artifact,
            str(row.batch),
            *(f"{value:.1f}" if value < 1000 else f"{value:.0f}" for value in figures),  # 80 columns hold them
            f"{row.clips_per_s:.1f}",
            f"{times:.1f}",
            f"{row.load_s:.1f}",
            f"{row.peak_mb:.0f}",
        )
    return table


def _title(bundle: Bundle) -> str:
    frames = "x".join(map(str, bundle.manifest.clip_spec.shape[:3]))
    return f"{bundle.manifest.name}, clips of {frames} on {machine()}"


def _layers(bundle: Bundle, names: Sequence[str], console: Console) -> dict[str, dict[str, float]]:
    """Print and return where the time of those artifacts goes whose runtimes tell."""
    run = [artifact for artifact in bundle.manifest.artifacts if artifact.name in names]
    profiles = {artifact.name: profile(bundle, artifact) for artifact in run if spec_of(artifact).profile}
    table = Table(title="milliseconds of one clip, by module", title_justify="left", box=None)
    table.add_column("module", overflow="fold")
    for name in profiles:
        table.add_column(name.replace("-", "\n"), justify="right")  # two lines: four of them fit a terminal
    for module in dict.fromkeys(module for one in profiles.values() for module in one):
        table.add_row(module, *(f"{one.get(module, 0.0):.1f}" for one in profiles.values()))
    console.print(table)
    return profiles
