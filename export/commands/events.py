"""`python -m export events BUNDLE --data DATA`: how well events are found in long recordings.

Recordings are made of validation clips, one after another with pauses between, so that it is known what they show.
Clips of classes that the bundle does not know are motions that nobody should name.
"""

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from export.bundle.archive import open_bundle
from export.commands.data_folder import check_data_folder
from export.predictor.model import Model
from export.predictor.streams.events import EventRules
from export.runtimes.loading import load_live, load_runtime
from export.verification.event_figures import EventFigures
from export.verification.event_recordings import events_in, play
from rgbd.errors import UserError
from rgbd.files import atomic_file
from rgbd.overlap import check_apart, check_replaceable
from rgbd.terminal import positive, progress_bar

_MOST_CONFUSED = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command reads."""
    usual = EventRules()
    parser.add_argument("bundle", type=Path, help="what `python -m export --live` wrote, or that as a .zip")
    parser.add_argument("--data", type=Path, required=True, help="a processed data set with the same classes, or more")
    parser.add_argument("--recordings", type=positive, default=3, metavar="N", help="orders of the clips (%(default)s)")
    parser.add_argument("--window-s", type=float, metavar="S", help="how long windows are (as training clips were)")
    parser.add_argument("--begin", type=_share, default=usual.begin, help="probability of a beginning (%(default)s)")
    parser.add_argument("--keep", type=_share, default=usual.keep, help="probability of going on (%(default)s)")
    parser.add_argument("--smoothing", type=float, default=usual.smoothing, help="over so many windows (%(default)s)")
    parser.add_argument("--accepted", type=_share, default=usual.accepted, help="of known motions (%(default)s)")
    parser.add_argument(
        "--overlap", type=_share, default=0.3, help="of an event and the motion that it detects (%(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")


def run(options: argparse.Namespace) -> int:
    """Count what is found; returns the exit code."""
    check_data_folder("--data", options.data)
    if options.json is not None:
        check_apart([options.json], [options.bundle, options.data], option="--json")
        check_replaceable(options.json, ".json", option="--json")
    rules = EventRules(options.begin, options.keep, options.smoothing, options.accepted)
    with open_bundle(options.bundle) as bundle:
        model = Model(bundle, load_runtime(bundle))
        live = load_live(bundle) if bundle.manifest.live is not None else None
    window_s = options.window_s or model.bundle.manifest.clip_s
    if window_s is None:
        raise UserError("the bundle does not say how long the clips are that it was trained on; give --window-s")
    figures = EventFigures()
    with progress_bar() as bar:
        for seed in bar.track(range(options.recordings), description="recordings"):
            played = play(model, live, options.data, seed, window_s)
            figures.add(played.shown, events_in(model, played, rules), played.duration_s, options.overlap)
    console = Console(highlight=False, markup=False)
    console.print(_table(figures, options.overlap))
    for (shown, named), count in figures.taken_for.most_common(_MOST_CONFUSED):
        labels = model.bundle.manifest.labels
        console.print(f"{count} times {labels[shown]!r} was taken for {labels[named]!r}")
    if options.json is not None:
        with atomic_file(options.json) as temporary:
            temporary.write_text(json.dumps(_report(figures, options.overlap), indent=2) + "\n", encoding="utf-8")
    return 0


def _report(figures: EventFigures, least_overlap: float) -> dict[str, float | None]:
    return {
        "motions": figures.num_known,
        "detected": figures.detected,
        "least_overlap": least_overlap,
        "false_alarms_per_hour": figures.false_alarms_per_hour,
        "latency_s": figures.latency_s,
        "jaccard": figures.jaccard,
        "unknown_motions": figures.num_unknown,
        "unknown_named": figures.num_unknown_named,
        "hours": figures.hours,
    }


def _table(figures: EventFigures, least_overlap: float) -> Table:
    table = Table(show_header=False, box=None)
    latency = "" if figures.latency_s is None else f"{figures.latency_s:.2f} s"
    rows = {
        "recordings": f"{60 * figures.hours:.1f} minutes with {figures.num_known} known motions",
        "detected": f"{figures.detected:.1%}, by an event of the class that overlaps by {least_overlap:.0%} or more",
        "false alarms": f"{figures.false_alarms_per_hour:.0f} an hour",
        "told": f"{latency} after the motion begins, the median",
        "unknown motions": f"{figures.num_unknown_named} of {figures.num_unknown} were named",
        "Jaccard index": f"{figures.jaccard:.3f}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"expected a share above 0 and up to 1, got {text!r}")
    return share
