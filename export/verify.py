"""`python -m export verify BUNDLE --data DATA`: compare every artifact with PyTorch again, on real clips."""

import argparse
from pathlib import Path

from rich.console import Console

from export.bundle import read_bundle
from export.prove import prove_bundle
from export.reference import source_checkpoint
from export.runtimes.loading import DEVICES
from export.tables import artifacts_table


def main(arguments: list[str]) -> int:
    """Verify a bundle and write what was measured into it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m export verify", description=__doc__)
    parser.add_argument("bundle", type=Path, help="what `python -m export` wrote")
    parser.add_argument("--data", type=Path, help="a processed data set; without, clips are made from a seed")
    parser.add_argument("--checkpoint", type=Path, help="the checkpoint it was made of, if not where it was")
    parser.add_argument("--device", choices=DEVICES, help="where to run all that can (each artifact's own)")
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    bundle = read_bundle(options.bundle)
    with console.status("comparing with PyTorch, measuring"):
        bundle = prove_bundle(bundle, source_checkpoint(bundle, options.checkpoint), options.data, options.device)
    console.print(artifacts_table(bundle))
    return 0
