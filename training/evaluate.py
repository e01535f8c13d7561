"""`python -m training.evaluate --checkpoint FILE`: every clip of a split exactly once, over any number of processes."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import get_args

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from rgbd.errors import DatasetError, UserError
from rgbd.files import atomic_file
from rgbd.terminal import run_command
from training.data.dataset import View
from training.data.identity import class_difference
from training.run.checkpoint import Checkpoint, load_checkpoint
from training.run.cpu import prepare_cpu
from training.run.distributed import process_group
from training.run.evaluation import Evaluated, evaluate_checkpoint
from training.run.metrics import Answer, Evaluation, ScoresSource, fuse_scores, load_evaluation, save_evaluation


def main() -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args()
    if options.mean_of == "scores" and not options.fuse:
        raise UserError("--mean-of scores: there is one network's answer only; name others with --fuse")
    views = [View((number + 0.5) / options.clips, flip) for number in range(options.clips) for flip in (False, True)]
    views = [view if options.clips > 1 else View(flip=view.flip) for view in views if options.flip or not view.flip]
    with process_group() as process:
        prepare_cpu(process)
        console = Console(quiet=not process.is_main, highlight=False, markup=False)
        paths = [options.checkpoint, *options.fuse]
        checkpoints = [load_checkpoint(path) for path in paths]
        out, source = options.out or options.checkpoint.parent, _source(checkpoints, options)
        _check_scores(out / f"scores-{options.split}.npz", source)
        messages = Console(stderr=True, quiet=not process.is_main, soft_wrap=True, highlight=False, markup=False)
        where = {"data": options.data, "split": options.split, "match_classes": options.match_classes}
        results = [
            evaluate_checkpoint(path, checkpoint, process, views=views, **where)
            for path, checkpoint in track([*zip(paths, checkpoints, strict=True)], "evaluating", console=messages)
        ]
        for warning in chain.from_iterable(result.warnings for result in results):
            messages.print(f"warning: {warning}")
        rows = {str(path): result.metrics for path, result in zip(paths, results, strict=True)}
        chosen = results[0].evaluation
        if options.fuse:
            _check_classes(paths, results)
            chosen = fuse_scores([result.evaluation for result in results], options.mean_of)
            rows[f"mean of their {options.mean_of}"] = chosen.metrics()
        if process.is_main:
            _report(console, rows, replace(chosen, source=source), out)
    return 0


def _source(checkpoints: Sequence[Checkpoint], options: argparse.Namespace) -> ScoresSource:
    return ScoresSource(
        weights=tuple(checkpoint.weights_digest() for checkpoint in checkpoints),
        data=(options.data or checkpoints[0].config.data.root).resolve(),
        split=options.split,
        clips=options.clips,
        flip=options.flip,
        mean_of=options.mean_of,
    )


def _check_scores(path: Path, source: ScoresSource) -> None:
    """Raise `UserError` where there are scores already that are of something else, such as a run's own."""
    try:
        before = load_evaluation(path).source if path.exists() else None
    except DatasetError:  # whatever it was, it is none any more
        return
    if before is not None and (differences := before.differences(source)):
        raise UserError(
            f"{path}: holds scores of something else ({'; '.join(differences)}), and stays as it is; name another "
            "folder with --out"
        )


def _check_classes(paths: Sequence[Path], results: Sequence[Evaluated]) -> None:
    """Raise `DatasetError` where the columns of two checkpoints' scores are different classes."""
    for path, result in zip(paths, results, strict=True):
        if difference := class_difference(results[0].class_names, result.class_names):
            raise DatasetError(f"{path}: knows {difference}, as {paths[0]} does; their scores cannot be averaged")


def _report(console: Console, rows: dict[str, dict[str, float]], chosen: Evaluation, out: Path) -> None:
    source = chosen.source
    assert source is not None  # it was just given
    for name, metrics in rows.items():
        table = Table(box=None, title=f"{name}, {len(chosen.clips)} clips", title_justify="left", show_header=False)
        for metric, value in metrics.items():
            table.add_row(metric, f"{value:.2%}" if not metric.startswith("ece") else f"{value:.4f}")
        console.print(table)
    out.mkdir(parents=True, exist_ok=True)
    scores = out / f"scores-{source.split}.npz"
    save_evaluation(scores, chosen)
    figures = {"clips": len(chosen.clips), "views": source.clips * (1 + source.flip), "metrics": rows}
    figures["source"] = source.model_dump(mode="json")
    figures["class_accuracies"] = [None if np.isnan(share) else share for share in chosen.class_accuracies()]
    with atomic_file(out / f"metrics-{source.split}.json") as temporary:
        temporary.write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    console.print(f"scores of every clip: {scores}", soft_wrap=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Evaluate a trained network: every clip of a split once, frames and crop from the middle.",
        epilog="Under torchrun the clips are shared out: torchrun --nproc_per_node=8 -m training.evaluate ...",
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="such as runs/rgb/best.pt")
    parser.add_argument("--data", type=Path, help="the processed data set, if not where it was trained")
    parser.add_argument("--split", choices=("train", "valid", "test"), default="valid", help="(valid)")
    parser.add_argument("--clips", type=int, choices=range(1, 33), default=1, metavar="N", help="views in time (1)")
    parser.add_argument("--flip", action="store_true", help="average with the mirrored clip")
    parser.add_argument(
        "--fuse", type=Path, nargs="+", default=[], metavar="FILE", help="checkpoints whose answers to average"
    )
    parser.add_argument(
        "--mean-of", choices=get_args(Answer), default="probabilities", help="what of theirs (probabilities)"
    )
    parser.add_argument(
        "--match-classes", action="store_true", help="take the data set's classes by name, however they are numbered"
    )
    parser.add_argument("--out", type=Path, help="folder of scores and metrics (the checkpoint's)")
    return parser


if __name__ == "__main__":
    run_command(main)
