"""`python -m export verify BUNDLE --data DATA`: compare every artifact with PyTorch again, on real clips."""

import argparse
from pathlib import Path

from rich.console import Console

from export.bundle.folder import read_bundle
from export.bundle.manifest import SIGNATURE_NAME
from export.commands.tables import artifacts_table
from export.runtimes.loading import unavailable_reason
from export.runtimes.registry import devices
from export.verification.source import source_of
from export.verification.verify import prove_bundle
from rgbd.errors import UserError


def main(arguments: list[str]) -> int:
    """Verify a bundle and write what was measured into it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m export verify", description=__doc__)
    parser.add_argument("bundle", type=Path, help="what `python -m export` wrote")
    parser.add_argument("--data", type=Path, help="a processed data set; without, clips are made from a seed")
    parser.add_argument("--checkpoint", type=Path, help="the checkpoint it was made of, if not where it was")
    parser.add_argument("--device", choices=devices(), help="where to run all that can (each artifact's own)")
    options = parser.parse_args(arguments)
    console = Console(highlight=False, markup=False)
    bundle = read_bundle(options.bundle)
    reasons = {item.name: unavailable_reason(item, options.device) for item in bundle.manifest.artifacts}
    if all(reasons.values()):
        listed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise UserError(f"{options.bundle}: nothing in it can be compared here ({listed})")
    with console.status("comparing with PyTorch, measuring"):
        bundle = prove_bundle(bundle, source_of(bundle, options.checkpoint), options.data, options.device)
    console.print(artifacts_table(bundle))
    for name, reason in reasons.items():
        if reason:
            console.print(f"{name}: was not compared now: {reason}")
    if (options.bundle / SIGNATURE_NAME).exists():
        console.print(f"{options.bundle}: bundle.json holds new figures; sign it again")
    return 0
