"""`python -m export build-engine BUNDLE`: build TensorRT's engines for this GPU before a service starts."""

import argparse
from pathlib import Path

from rich.console import Console

from export.bundle.archive import open_bundle
from export.bundle.manifest import BundleError
from export.runtimes.loading import why_not


def main(arguments: list[str]) -> int:
    """Build what is not built yet, and print where it lies; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m export build-engine", description=__doc__)
    parser.add_argument("bundle", type=Path, help="what `python -m export` wrote, or that as a .zip")
    options = parser.parse_args(arguments)
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    with open_bundle(options.bundle) as bundle:
        artifacts = [artifact for artifact in bundle.manifest.artifacts if artifact.runtime == "tensorrt"]
        if not artifacts:
            raise BundleError(f"{options.bundle}: holds nothing for TensorRT; export with --formats tensorrt")
        if reason := why_not(artifacts[0], "cuda"):
            raise BundleError(f"{options.bundle}: no engine can be built here: {reason}")
        from export.runtimes.tensorrt import gpu_name  # noqa: PLC0415
        from export.runtimes.tensorrt_engines import engine_file  # noqa: PLC0415  needs TensorRT

        for artifact in artifacts:
            with console.status(f"building {artifact.name}"):
                plan = engine_file(bundle.path(artifact), artifact.precision, bundle.manifest.max_batch, gpu_name())
            console.print(f"{artifact.name}: {plan} ({plan.stat().st_size / 1e6:.1f} MB)")
    return 0
