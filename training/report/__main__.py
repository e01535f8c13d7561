"""`python -m training.report RUN`."""

import argparse
from pathlib import Path

from rgbd.html_page import write_page
from rgbd.overlap import check_apart, check_replaceable
from rgbd.terminal import positive, program, run_command
from training.report.page import make_page
from training.run.checkpoint_files import REPORT_FILE
from training.run.folder import run_files


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code, 0."""
    options = _parser().parse_args(arguments)
    out = options.out or options.run / REPORT_FILE
    check_apart([out], run_files(options.run))
    check_replaceable(out, ".html", ".htm")
    page = make_page(
        options.run,
        split=options.split,
        data=options.data,
        num_mistakes=options.mistakes,
        num_explained=options.explained,
        clips=options.clips,
    )
    write_page(out, page)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("training.report"),
        description="Write one HTML page about a training run: curves, confusions, the worst classes, the most certain "
        "mistakes, and what the network looked at in some clips.",
    )
    parser.add_argument("run", type=Path, help="the run's folder, such as runs/ntu-CS-rgb")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default: report.html in that folder)")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="the processed data set, if not where it was")
    parser.add_argument("--split", choices=("train", "valid", "test"), default="valid", help="(valid)")
    parser.add_argument("--mistakes", type=positive, default=12, metavar="N", help="how many mistakes to show (12)")
    parser.add_argument("--explained", type=positive, default=4, metavar="N", help="how many clips to explain (4)")
    parser.add_argument("--clips", nargs="+", default=[], metavar="CLIP", help="explain these instead, by their names")
    return parser


if __name__ == "__main__":
    run_command(main)
