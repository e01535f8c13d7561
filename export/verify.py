"""`python -m export verify BUNDLE --data DATA`: compare every artifact with PyTorch again, on real clips."""

import argparse
from pathlib import Path

from rich.console import Console

from export.bundle import Bundle, read_bundle, write_manifest
from export.create import prove, try_clips
from export.reference import TorchRuntime, source_checkpoint
from export.runtimes.loading import why_not
from export.tables import artifacts_table
from training.checkpoint import restore_network


def main(arguments: list[str]) -> int:
    """Verify a bundle and write what was measured into it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m export verify", description=__doc__)
    parser.add_argument("bundle", type=Path, help="what `python -m export` wrote")
    parser.add_argument("--data", type=Path, help="a processed data set; without, clips are made from a seed")
    parser.add_argument("--checkpoint", type=Path, help="the checkpoint it was made of, if not where it was")
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    with console.status("comparing with PyTorch, measuring"):
        bundle = verify_bundle(read_bundle(options.bundle), options.data, options.checkpoint)
    console.print(artifacts_table(bundle))
    return 0


def verify_bundle(bundle: Bundle, data: Path | None, checkpoint_path: Path | None) -> Bundle:
    """Return the bundle with parity and speed as measured now, and write them into its bundle.json.

    What this machine cannot run keeps its figures. Raises `UserError` where an artifact is too far from PyTorch, or the
    checkpoint is not the one that the bundle was made of.
    """
    checkpoint = source_checkpoint(bundle, checkpoint_path)
    batches, where = try_clips(checkpoint, data)
    reference = TorchRuntime(restore_network(checkpoint), checkpoint.config.modalities)
    artifacts = tuple(
        artifact if why_not(artifact, "cpu") else prove(bundle, artifact, reference, batches, where)
        for artifact in bundle.manifest.artifacts
    )
    verified = Bundle(bundle.folder, bundle.manifest.model_copy(update={"artifacts": artifacts}))
    write_manifest(bundle.folder, verified.manifest)
    return verified
