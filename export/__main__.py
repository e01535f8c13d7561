"""`python -m export --checkpoint CKPT --out BUNDLE`: a checkpoint becomes a bundle that a service can load."""

import argparse
import sys
from collections.abc import Callable, Collection
from importlib import import_module
from pathlib import Path

from rich.console import Console

from export.create import FORMATS, MADE, Calibration, ExportOptions, create_bundle
from export.tables import artifacts_table
from preprocess.errors import UserError, run_command
from preprocess.options import positive

_PRECISIONS = tuple(dict.fromkeys(precision for _, precision in MADE))


# What else can be done with a bundle: `python -m export COMMAND BUNDLE`, by the module whose `main` does it.
_COMMANDS = {
    "bench": "export.bench",
    "inspect": "export.inspect",
    "pack": "export.pack",
    "sign": "export.signature",
    "triton": "export.triton",
    "verify": "export.verify",
}


def main() -> int:
    """Export one checkpoint, or run a command; returns the exit code."""
    if len(sys.argv) > 1 and sys.argv[1] in _COMMANDS:
        return _run(sys.argv[1], sys.argv[2:])
    arguments = _parse()
    if arguments.out.exists() and not (arguments.out / "bundle.json").is_file():
        raise UserError(f"{arguments.out}: exists and is not a bundle; choose another --out")
    calibration = None
    if arguments.calibration is not None:
        calibration = Calibration(arguments.calibration, arguments.calibration_clips, arguments.max_drop / 100)
    precisions = arguments.precision or tuple(name for name in _PRECISIONS if name != "int8" or calibration)
    options = ExportOptions(
        arguments.name, arguments.formats, precisions, arguments.data, arguments.answer_only, calibration
    )
    console = Console()
    with console.status("exporting, comparing with PyTorch, measuring"):
        bundle = create_bundle(arguments.checkpoint, arguments.out, options)
    console.print(artifacts_table(bundle))
    return 0


def _run(command: str, arguments: list[str]) -> int:
    try:
        module = import_module(_COMMANDS[command])
    except ModuleNotFoundError as error:
        raise UserError(f"{command} needs {error.name}; see the extras in the README for what to install") from error
    exit_code: int = module.main(arguments)
    return exit_code


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m export",
        description=__doc__,
        epilog="Other commands: " + ", ".join(f"python -m export {name} BUNDLE" for name in _COMMANDS),
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="a file that training wrote, such as best.pt")
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder; an older bundle is replaced")
    parser.add_argument("--name", default="motion", help="the model's name in the service (default: %(default)s)")
    parser.add_argument(
        "--formats",
        type=_list_of(FORMATS),
        default=tuple(FORMATS),
        metavar="A,B",
        help=f"of: {','.join(FORMATS)} (all)",
    )
    parser.add_argument(
        "--precision",
        type=_list_of(_PRECISIONS),
        metavar="A,B",
        help=f"of: {','.join(_PRECISIONS)} (all; int8 needs --calibration)",
    )
    parser.add_argument("--data", type=Path, help="a processed data set: compare on real clips of it, too")
    parser.add_argument("--calibration", type=Path, metavar="DATA", help="a processed data set to calibrate int8 on")
    parser.add_argument(
        "--calibration-clips", type=positive, default=128, metavar="N", help="training clips of it (128)"
    )
    parser.add_argument(
        "--max-drop", type=float, default=0.5, metavar="POINTS", help="of top-1 on its validation clips, in int8 (0.5)"
    )
    parser.add_argument("--answer-only", action="store_true", help="leave out the scores of branches and streams")
    return parser.parse_args()


def _list_of(known: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    """Return a parser of words between commas, all of which must be known."""

    def parse(text: str) -> tuple[str, ...]:
        words = tuple(text.split(","))
        if unknown := [word for word in words if word not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose of {', '.join(known)}")
        return words

    return parse


if __name__ == "__main__":
    run_command(main)
