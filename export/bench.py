"""`python -m export bench BUNDLE`: how fast every artifact is on this machine, side by side, and where time goes."""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from export.bundle import Bundle, read_bundle
from export.contenders import TORCH, Contender, contenders
from export.machine import machine
from export.runtimes.loading import why_not
from preprocess.atomic import atomic_file
from preprocess.clip import build_clip, centred_geometry
from preprocess.errors import UserError
from preprocess.frames import Frame, decode_image, encode_image
from preprocess.options import positive

_STAGE_RUNS = 5


@dataclass(frozen=True)
class Row:
    """What an artifact did with batches of one size."""

    artifact: str
    batch: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    clips_per_s: float
    load_s: float
    peak_mb: float


def main(arguments: list[str]) -> int:
    """Time a bundle; returns the exit code."""
    options = _parser().parse_args(arguments)
    bundle = read_bundle(options.bundle)
    names = _names(bundle, options.runtimes)
    rows = measure(bundle, names, options.batch, options.rounds)
    stages = {} if options.no_stages else measure_stages(bundle)
    console = Console(highlight=False)
    console.print(_table(rows, bundle))
    for stage, milliseconds in stages.items():
        console.print(f"{stage}: {milliseconds:.1f} ms a clip, on one core")
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


def measure_stages(bundle: Bundle) -> dict[str, float]:
    """Return the milliseconds of what comes before the network, for one clip of JPEG and 16-bit PNG frames."""
    spec, rng = bundle.manifest.clip_spec, np.random.default_rng(0)
    geometry = centred_geometry(spec)
    stages = {}
    for stream in bundle.manifest.streams:
        is_depth = stream == "depth" and spec.depth.mode != "image"
        suffix = ".png" if is_depth else ".jpg"
        width, height = spec.resize
        patches = rng.integers(0, 255, (spec.num_frames, height // 8, width // 8, 1 if is_depth else 3))
        frames: list[Frame] = [np.kron(frame, np.ones((8, 8, 1))).squeeze().astype(np.uint8) for frame in patches]
        if is_depth:
            frames = [frame.astype(np.uint16) * 10 + 1000 for frame in frames]
        encoded = [encode_image(suffix, frame) for frame in frames]
        stages[f"decode {stream}"] = _best_ms(partial(_decode, encoded))
        stages[f"transform {stream}"] = _best_ms(partial(build_clip, frames, spec, geometry))
    return stages


def _decode(frames: Sequence[bytes]) -> None:
    for data in frames:
        decode_image(data, "a frame")


def _best_ms(function: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_STAGE_RUNS):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return 1000 * min(seconds)


def _names(bundle: Bundle, wanted: Sequence[str]) -> list[str]:
    """Return the artifacts to time: those that are named, or all that run here and PyTorch."""
    known = [artifact.name for artifact in bundle.manifest.artifacts if not why_not(artifact, "cpu")] + [TORCH]
    if wanted == ["all"]:
        return known
    if unknown := sorted(set(wanted) - set(known)):
        raise UserError(
            f"{', '.join(unknown)}: not in {bundle.folder}, or not for this machine; choose of {', '.join(known)}"
        )
    return list(wanted)


def _table(rows: Sequence[Row], bundle: Bundle) -> Table:
    spec = bundle.manifest.clip_spec
    title = f"{bundle.manifest.name}, clips of {'x'.join(map(str, spec.shape[:3]))} on {machine()}"
    table = Table("artifact", title=title, title_justify="left", box=None)
    for column in ("batch", "p50 ms", "p95", "p99", "clips/s", "times", "load s", "peak MB"):
        table.add_column(column, justify="right")
    slowest = max(row.p50_ms / row.batch for row in rows)
    for row in rows:
        times = slowest * row.batch / row.p50_ms
        figures = (row.p50_ms, row.p95_ms, row.p99_ms)
        table.add_row(
            row.artifact,
            str(row.batch),
            *(f"{value:.1f}" for value in figures),
            f"{row.clips_per_s:.1f}",
            f"{times:.1f}",
            f"{row.load_s:.1f}",
            f"{row.peak_mb:.0f}",
        )
    return table


def _layers(bundle: Bundle, names: Sequence[str], console: Console) -> dict[str, dict[str, float]]:
    """Print and return where the time of OpenVINO's artifacts goes."""
    from export.profile import openvino_profile  # noqa: PLC0415  an optional dependency

    chosen = [artifact for artifact in bundle.manifest.artifacts if artifact.runtime == "openvino"]
    profiles = {artifact.name: openvino_profile(bundle, artifact) for artifact in chosen if artifact.name in names}
    table = Table("module, ms of one clip", *profiles, box=None)
    for module in dict.fromkeys(module for profile in profiles.values() for module in profile):
        table.add_row(module, *(f"{profile.get(module, 0.0):.1f}" for profile in profiles.values()))
    console.print(table)
    return profiles


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m export bench", description=__doc__)
    parser.add_argument("bundle", type=Path, help="what `python -m export` wrote")
    parser.add_argument(
        "--runtimes",
        type=lambda text: text.split(","),
        default=["all"],
        metavar="A,B",
        help=f"artifacts by their names, and {TORCH} (all)",
    )
    parser.add_argument(
        "--batch",
        type=lambda text: [positive(word) for word in text.split(",")],
        default=[1],
        metavar="1,2,4",
        help="clips at a time (1)",
    )
    parser.add_argument("--rounds", type=positive, default=20, metavar="N", help="runs of each (20)")
    parser.add_argument("--layers", action="store_true", help="where the time goes, by module (OpenVINO)")
    parser.add_argument("--no-stages", action="store_true", help="do not time decoding and transforming")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser
