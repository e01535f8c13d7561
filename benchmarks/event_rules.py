"""When a motion should count as begun and as ended: how well other rules find events in long recordings.

Run: `python -m benchmarks.event_rules --bundle BUNDLE... --data DATA...`, a data set for each bundle, whose validation
clips are of performers that the bundle's network has not learnt from: those of training left out one by one, not those
of the test. The rules are taken that find events best over all of them, by F1: motions that are detected count for it,
those that are not and false alarms against it. The baseline are the rules in use.
"""

import argparse
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import fmean

from rich.console import Console
from rich.progress import track
from rich.table import Table

from export.bundle.folder import read_bundle
from export.predictor.model import Model
from export.predictor.streams.events import EventRules
from export.predictor.streams.pace import window_of
from export.runtimes.loading import load_live, load_runtime
from export.verification.event_figures import EventFigures
from export.verification.event_recordings import Played, events_in, play
from rgbd.terminal import run_command

BEGIN, KEEP, SMOOTHING = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), (0.1, 0.2, 0.4, 0.6), (0.0, 0.2, 0.4, 0.6, 0.9, 1.1)
OVERLAP, NUM_RECORDINGS, NUM_SHOWN = 0.3, 2, 8

Case = tuple[Model, Sequence[Played]]
"""A network, and what it says of recordings."""


def played(bundle_path: Path, data: Path, window_s: float | None) -> Case:
    """Return what a bundle's network says of recordings of a data set."""
    bundle = read_bundle(bundle_path)
    model = Model(bundle, load_runtime(bundle))
    live = load_live(bundle) if bundle.manifest.live is not None else None
    window_s = window_of(model, window_s)
    seeds = track(range(NUM_RECORDINGS), bundle_path.name, console=Console(stderr=True))
    return model, [play(model, live, data, seed, window_s) for seed in seeds]


def figures_of(case: Case, rules: EventRules) -> EventFigures:
    """Return how well rules find events."""
    model, recordings = case
    figures = EventFigures()
    for recording in recordings:
        figures.add(recording.shown, events_in(model, recording, rules), recording.duration_s, OVERLAP)
    return figures


def f1(figures: EventFigures) -> float:
    """Return twice the motions detected, over all motions and all events."""
    return 2 * figures.num_detected / max(1, figures.num_known + figures.num_found)


def table_of(found: dict[EventRules, list[EventFigures]]) -> Table:
    """Return the best rules, and the baseline, which comes first."""
    table = Table("begin", "keep", "smoothing", "F1", "detected", "false alarms an hour", "told after, s", box=None)
    usual, *others = found
    best = sorted(others, key=lambda rules: fmean(map(f1, found[rules])), reverse=True)[:NUM_SHOWN]
    for rules in (usual, *best):
        figures = found[rules]
        told = [item.latency_s for item in figures if item.latency_s is not None]
        row = (fmean(map(f1, figures)), fmean(item.detected for item in figures))
        alarms = fmean(item.false_alarms_per_hour for item in figures)
        words = (f"{row[0]:.3f}", f"{row[1]:.1%}", f"{alarms:.0f}", f"{fmean(told):.2f}" if told else "")
        table.add_row(f"{rules.begin:g}", f"{rules.keep:g}", f"{rules.smoothing:g}", *words)
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, nargs="+", required=True, help="what `python -m export --live` wrote")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="a processed data set for each")
    parser.add_argument("--window-s", type=float, metavar="S", help="how long windows are (as training clips were)")
    options = parser.parse_args()
    pairs = zip(options.bundle, options.data, strict=True)
    cases = [played(bundle, data, options.window_s) for bundle, data in pairs]
    grid = [EventRules(*rules) for rules in product(BEGIN, KEEP, SMOOTHING) if rules[1] <= rules[0]]
    every = dict.fromkeys([EventRules(), *grid])  # once each, those in use first
    found = {
        rules: [figures_of(case, rules) for case in cases]
        for rules in track(every, "rules", console=Console(stderr=True))
    }
    Console(width=100).print(table_of(found))
    return 0


if __name__ == "__main__":
    run_command(main)
