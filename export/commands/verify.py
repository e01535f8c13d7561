"""`python -m export verify BUNDLE --data DATA`: compare every artifact with PyTorch again, on real clips.

Without PyTorch, on the one clip whose answer is in the bundle, and nothing is written.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from export.bundle.folder import Bundle, read_bundle
from export.bundle.manifest import SIGNATURE_NAME
from export.commands.data_folder import check_data_folder
from export.commands.tables import artifacts_table
from export.runtimes.loading import unavailable_reason
from export.runtimes.registry import devices
from export.verification.known_answer import compare_known_answer
from rgbd.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command reads."""
    parser.add_argument("bundle", type=Path, help="what `python -m export` wrote")
    parser.add_argument("--data", type=Path, help="a processed data set; without, clips are made from a seed")
    parser.add_argument("--checkpoint", type=Path, help="the checkpoint it was made of, if not where it was")
    parser.add_argument("--device", choices=devices(), help="where to run all that can (each artifact's own)")


def run(options: argparse.Namespace) -> int:
    """Verify a bundle, and with PyTorch write what was measured into it; returns the exit code."""
    console = Console(highlight=False, markup=False)
    check_data_folder("--data", options.data)
    bundle = read_bundle(options.bundle)
    reasons = {item.name: unavailable_reason(item, options.device) for item in bundle.manifest.artifacts}
    if all(reasons.values()):
        listed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise UserError(f"{options.bundle}: nothing in it can be compared here ({listed})")
    has_torch = find_spec("torch") is not None
    bundle = _with_torch(bundle, options) if has_torch else _without_torch(bundle, options)
    console.print(artifacts_table(bundle))
    for name, reason in reasons.items():
        if reason:
            console.print(f"{name}: was not compared now: {reason}")
    if not has_torch:
        console.print(
            f"{options.bundle}: is whole, and what runs here answers the clip that it carries. Comparing on more clips "
            "needs torch, which is not installed; bundle.json stays as it was"
        )
    elif (options.bundle / SIGNATURE_NAME).exists():
        console.print(f"{options.bundle}: bundle.json holds new figures; sign it again")
    return 0


def _with_torch(bundle: Bundle, options: argparse.Namespace) -> Bundle:
    from export.verification.source import source_of  # noqa: PLC0415  PyTorch, which may not be installed
    from export.verification.verify import verify_bundle  # noqa: PLC0415

    return verify_bundle(bundle, source_of(bundle, options.checkpoint), options.data, options.device)


def _without_torch(bundle: Bundle, options: argparse.Namespace) -> Bundle:
    for option, value in (("--data", options.data), ("--checkpoint", options.checkpoint)):
        if value is not None:
            raise UserError(
                f"{option} {value}: needs torch, which is not installed; install the 'export' extra, or leave it out"
            )
    return compare_known_answer(bundle, options.device)
