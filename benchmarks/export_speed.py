"""Every artifact of the published network beside its eager Conv3d form: milliseconds for one clip, and how many times.

Run: `python -m benchmarks.export_speed [--data demo/data] [--fusion]`; int8 needs the data set (`make demo` leaves one
in demo/data). Batch 1, 64x224x224, random weights. What is timed takes turns, and the median of each counts.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.support.untrained import untrained
from benchmarks.training_step import Eager3D
from export.build.calibration import Calibration
from export.build.create import create_bundle
from export.build.plan import ExportOptions
from export.bundle.seeded_clips import seeded_inputs
from export.runtimes.loading import load_artifact
from export.runtimes.machine import machine
from training.config.schema import DataConfig, TrainingConfig
from training.data.dataset import class_names
from training.networks.dsn.config import NetworkConfig
from training.networks.dsn.guidance import normalise, rank_pool
from training.networks.dsn.single_stream import UnimodalNet
from training.run.checkpoint import Checkpoint

ROUNDS = 7
NAMES = tuple(f"class {number}" for number in range(60))


def checkpoint(modality: str, path: Path, names: tuple[str, ...] = NAMES, num_frames: int = 64) -> Checkpoint:
    """Write and return a checkpoint of the published network with random weights, guided, for these classes.

    For clips of other than the published 64 frames, branches read the same shares of them.
    """
    streams = {"streams": {"rgb": "rgb.pt", "depth": "depth.pt"}} if modality == "rgbd" else {}
    frames = {"branch_frames": [num_frames * quarters // 4 for quarters in (1, 2, 3)]}
    sections = {"clip": {"num_frames": num_frames}, "network": frames, **streams}
    return untrained(TrainingConfig.model_validate({"modality": modality, **sections}), names, path)


def eager(made: Checkpoint) -> Callable[[], object]:
    """Return one run of the eager Conv3d form of a stream, its guidance included."""
    config, settings = made.config, cast(NetworkConfig, made.config.network)
    network = Eager3D(UnimodalNet(settings, len(made.class_names), config.clip.num_frames), compares=False).eval()
    frames = torch.from_numpy(seeded_inputs(("rgb",), config.clip, 1)["rgb"])

    @torch.inference_mode()
    def run() -> object:
        clip = normalise(frames).contiguous()
        return network(clip, rank_pool(clip, settings.guidance_window))

    return run


def artifacts_of(modality: str, folder: Path, data: Path | None) -> dict[str, Callable[[], object]]:
    """Export the network of this modality, and return one run of each artifact."""
    names = class_names(DataConfig(root=data)) if data else NAMES
    checkpoint(modality, folder / f"{modality}.pt", names)
    calibration = Calibration(data, num_clips=8, max_drop=1.0) if data else None
    options = ExportOptions(max_batch=1, calibration=calibration)
    bundle = create_bundle(folder / f"{modality}.pt", folder / modality, options)
    inputs = seeded_inputs(bundle.manifest.streams, bundle.manifest.clip_spec, 1)
    artifacts = bundle.manifest.artifacts
    return {item.name: partial(load_artifact(bundle, item, "cpu").infer, inputs) for item in artifacts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a processed data set to calibrate int8 on")
    parser.add_argument("--fusion", action="store_true", help="the fusion network of two streams, too")
    options = parser.parse_args()
    baseline = "eager Conv3d"
    with tempfile.TemporaryDirectory() as folder:
        runs: dict[tuple[str, str], Callable[[], object]] = {}
        for modality in ("rgb", "rgbd") if options.fusion else ("rgb",):
            runs |= {(modality, name): run for name, run in artifacts_of(modality, Path(folder), options.data).items()}
        runs["rgb", baseline] = eager(checkpoint("rgb", Path(folder) / "rgb.pt"))
        seconds: dict[tuple[str, str], list[float]] = {name: [] for name in runs}
        for number in track(range(1 + ROUNDS), "measuring", console=Console(stderr=True)):
            for contender, run in runs.items():
                start = time.perf_counter()
                run()
                if number:
                    seconds[contender].append(time.perf_counter() - start)
    medians = {name: statistics.median(spent) for name, spent in seconds.items()}
    eager_s = medians.pop(("rgb", baseline))
    title = f"{machine()}; {baseline}, one stream: {1000 * eager_s:.0f} ms"
    table = Table("artifact", "one stream, ms a clip", f"times {baseline}", title=title, title_justify="left", box=None)
    if options.fusion:
        table.add_column("fusion, ms a clip")
        table.add_column("times one stream")
    for (modality, name), median in medians.items():
        if modality == "rgb":
            fusion = medians.get(("rgbd", name))
            compared = [f"{1000 * fusion:.0f}", f"{fusion / median:.2f}"] if fusion else []
            table.add_row(name, f"{1000 * median:.0f}", f"{eager_s / median:.1f}", *compared)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
