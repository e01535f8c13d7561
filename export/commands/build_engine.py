"""`python -m export build-engine BUNDLE`: build the engines for this GPU before a service starts."""

import argparse
from pathlib import Path

from rich.console import Console

from export.bundle.archive import open_bundle
from export.bundle.manifest import BundleError
from export.runtimes.loading import unavailable_reason
from export.runtimes.registry import RUNTIMES, unknown_reason


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command reads."""
    parser.add_argument("bundle", type=Path, help="what `python -m export` wrote, or that as a .zip")


def run(options: argparse.Namespace) -> int:
    """Build what is not built yet, and print where it lies; returns the exit code."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    builders = {spec.name: spec.build for spec in RUNTIMES.values() if spec.build is not None}
    with open_bundle(options.bundle) as bundle:
        known = [artifact for artifact in bundle.manifest.artifacts if unknown_reason(artifact) is None]
        artifacts = [artifact for artifact in known if artifact.runtime in builders]
        if not artifacts:
            specs = [RUNTIMES[name] for name in builders]
            titles, formats = " or ".join(spec.title for spec in specs), ",".join(spec.format for spec in specs)
            raise BundleError(f"{options.bundle}: holds nothing for {titles}; export with --formats {formats}")
        if reason := unavailable_reason(artifacts[0]):
            raise BundleError(f"{options.bundle}: no engine can be built here: {reason}")
        for artifact in artifacts:
            with console.status(f"building {artifact.name}"):
                build = builders[artifact.runtime]
                plan = build(bundle.path(artifact), artifact.precision, bundle.manifest.max_batch)
            console.print(f"{artifact.name}: {plan} ({plan.stat().st_size / 1e6:.1f} MB)")
    return 0
