"""A frame more of a stream beside a whole clip: milliseconds in each precision, and ratios.

Run: `python -m benchmarks.live [--frames 64 16]`. The published network of one stream, 224x224, random weights. The
baseline is the graph of clips in the same precision; all takes turns, and medians count. What is timed of a stream: the
features of one new frame; those, and the head; and the features of one frame of each of several streams together.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.export_speed import NAMES, checkpoint
from export.build.create import create_bundle
from export.build.plan import ExportOptions
from export.bundle.folder import Bundle
from export.bundle.seeded_clips import seeded_inputs
from export.runtimes import Runtime
from export.runtimes.live import LiveRuntime, first_states
from export.runtimes.loading import load_artifact, load_live
from export.runtimes.machine import machine

ROUNDS = 7
SESSIONS = 4


def contenders(clips: Runtime, live: LiveRuntime, bundle: Bundle) -> dict[str, Callable[[], object]]:
    """Return what is timed, by its name; the first is the baseline."""
    (stream,), spec, steps = bundle.manifest.streams, bundle.manifest.clip_spec, live.steps
    clip = seeded_inputs([stream], spec, batch=1)
    features = {stream: live.features_of(stream, clip[stream])}

    def advance(num_streams: int) -> Callable[[], object]:
        frames = np.repeat(clip[stream][:, : steps.history + 1], num_streams, axis=0)
        seen, states = np.ones(frames.shape[:2], np.float32), first_states(steps, num_streams)
        return lambda: live.advance(stream, frames, seen, states)

    one = advance(1)
    return {
        "a whole clip": lambda: clips.infer(clip),
        "a frame more": one,
        "a frame more, and the head": lambda: (one(), live.classify(features)),
        f"a frame more of {SESSIONS} streams": advance(SESSIONS),
    }


def measure(bundle: Bundle, name: str) -> dict[str, float]:
    """Return the median milliseconds of each contender for one artifact."""
    clips = load_artifact(bundle, bundle.artifact(name), "cpu")
    timed = contenders(clips, load_live(bundle, name=name), bundle)
    seconds: dict[str, list[float]] = {what: [] for what in timed}
    for number in track(range(1 + ROUNDS), name, console=Console(stderr=True)):
        for what, run in timed.items():
            start = time.perf_counter()
            run()
            if number:  # the first round allocates
                seconds[what].append(time.perf_counter() - start)
    return {what: 1000 * statistics.median(times) for what, times in seconds.items()}


def table_of(num_frames: int, rows: dict[str, dict[str, float]]) -> Table:
    """Return milliseconds, and how many of each fit into a whole clip."""
    table = Table(title=f"one stream of {num_frames}x224x224 on {machine()}", title_justify="left", box=None)
    for column in ("artifact", *next(iter(rows.values()))):
        table.add_column(column, justify="left" if column == "artifact" else "right")
    for name, found in rows.items():
        whole, *others = found.values()
        table.add_row(name, f"{whole:.0f} ms", *(f"{value:.1f} ms, 1/{whole / value:.0f}" for value in others))
    return table


def main(lengths: Sequence[int]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for num_frames in lengths:
            folder = Path(scratch) / f"{num_frames}"
            folder.mkdir()
            checkpoint("rgb", folder / "best.pt", NAMES, num_frames)
            options = ExportOptions(formats=("onnx", "openvino"), max_batch=1, live=True)
            bundle = create_bundle(folder / "best.pt", folder / "bundle", options)
            assert bundle.manifest.live is not None
            rows = {artifact.name: measure(bundle, artifact.name) for artifact in bundle.manifest.live.artifacts}
            Console(width=130).print(table_of(num_frames, rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[64, 16], help="of a clip (%(default)s)")
    main(parser.parse_args().frames)
