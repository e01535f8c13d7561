"""Every artifact of a family's published network beside its eager Conv3d form: milliseconds for one clip, and times.

Run: `python -m benchmarks.export_speed [--data demo/data] [--family umdr] [--frames 32] [--fusion]`; int8 needs the
data set (`make demo` leaves one in demo/data). Batch 1, 224x224, random weights, as many frames as the family's usual
clip has. Of another family than the first, the first's usual clip in float32 stands beside it. What is timed takes
turns, and the median of each counts.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.support.published import FAMILIES, published
from benchmarks.support.untrained import untrained
from export.build.calibration import Calibration
from export.build.create import create_bundle
from export.build.plan import ExportOptions
from export.bundle.manifest import Precision
from export.bundle.seeded_clips import seeded_inputs
from export.runtimes.loading import load_artifact
from export.runtimes.machine import machine
from training.config.schema import DataConfig
from training.data.dataset import class_names
from training.run.checkpoint import Checkpoint, restore_network

ROUNDS = 7
NAMES = tuple(f"class {number}" for number in range(60))
FIRST = next(iter(FAMILIES))
BASELINE = "eager Conv3d"

Runs = dict[tuple[str, str], Callable[[], object]]
"""What is timed: one run, by its column and row."""


def checkpoint(
    modality: str, path: Path, names: tuple[str, ...] = NAMES, num_frames: int | None = None, family: str = FIRST
) -> Checkpoint:
    """Write and return a checkpoint of the published network with random weights, for these classes."""
    return untrained(published(family, modality, num_frames), names, path)


def eager(made: Checkpoint, family: str) -> Callable[[], object]:
    """Return one run of the eager Conv3d form of a stream, from pixels on."""
    *_, form = FAMILIES[family].eager.values()
    network = form(restore_network(made)).eval()
    frames = torch.from_numpy(seeded_inputs(("rgb",), made.config.clip, 1)["rgb"])

    @torch.inference_mode()
    def run() -> object:
        return network(*network.prepared(frames))

    return run


def artifacts_of(
    path: Path, data: Path | None = None, precisions: Sequence[Precision] | None = None
) -> dict[str, Callable[[], object]]:
    """Export a checkpoint, and return one run of each artifact."""
    calibration = Calibration(data, num_clips=8, max_drop=1.0) if data else None
    options = ExportOptions(max_batch=1, calibration=calibration, precisions=precisions)
    bundle = create_bundle(path, path.with_suffix(""), options)
    inputs = seeded_inputs(bundle.manifest.streams, bundle.manifest.clip_spec, 1)
    artifacts = bundle.manifest.artifacts
    return {item.name: partial(load_artifact(bundle, item, "cpu").infer, inputs) for item in artifacts}


def contenders(options: argparse.Namespace, folder: Path) -> Runs:
    """Return what is timed; the eager form is the last of the column of one stream."""
    names = class_names(DataConfig(root=options.data)) if options.data else NAMES
    runs: Runs = {}
    for modality in ("rgb", "rgbd") if options.fusion else ("rgb",):
        path = folder / f"{modality}.pt"
        made = checkpoint(modality, path, names, options.frames, options.family)
        runs |= {(modality, name): run for name, run in artifacts_of(path, options.data).items()}
        if modality == "rgb":
            one_stream = eager(made, options.family)
    if options.family != FIRST:
        checkpoint("rgb", folder / "first.pt")
        found = artifacts_of(folder / "first.pt", precisions=["fp32"])
        frames = FAMILIES[FIRST].num_frames
        runs |= {("rgb", f"{FIRST}, {frames} frames, {name}"): run for name, run in found.items()}
    return {**runs, ("rgb", BASELINE): one_stream}


def measured(runs: Runs) -> dict[tuple[str, str], float]:
    """Return the median seconds of each."""
    seconds: dict[tuple[str, str], list[float]] = {name: [] for name in runs}
    for number in track(range(1 + ROUNDS), "measuring", console=Console(stderr=True)):
        for contender, run in runs.items():
            start = time.perf_counter()
            run()
            if number:
                seconds[contender].append(time.perf_counter() - start)
    return {name: statistics.median(spent) for name, spent in seconds.items()}


def table_of(medians: dict[tuple[str, str], float], options: argparse.Namespace) -> Table:
    eager_s = medians.pop(("rgb", BASELINE))
    frames = options.frames or FAMILIES[options.family].num_frames
    title = f"{options.family}, {frames} frames, on {machine()}; {BASELINE}, one stream: {1000 * eager_s:.0f} ms"
    table = Table("artifact", "one stream, ms a clip", f"times {BASELINE}", title=title, title_justify="left", box=None)
    if options.fusion:
        table.add_column("fusion, ms a clip")
        table.add_column("times one stream")
    for (modality, name), median in medians.items():
        if modality == "rgb":
            fusion = medians.get(("rgbd", name))
            compared = [f"{1000 * fusion:.0f}", f"{fusion / median:.2f}"] if fusion else []
            table.add_row(name, f"{1000 * median:.0f}", f"{eager_s / median:.1f}", *compared)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a processed data set to calibrate int8 on")
    parser.add_argument("--family", choices=FAMILIES, default=FIRST, help="whose network (%(default)s)")
    parser.add_argument("--frames", type=int, help="of a clip (the family's usual)")
    parser.add_argument("--fusion", action="store_true", help="the fusion network of two streams, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Console(width=110).print(table_of(measured(contenders(options, Path(folder))), options))


if __name__ == "__main__":
    main()
