"""`python -m export --checkpoint CKPT --out BUNDLE`: a checkpoint becomes a bundle that a service can load."""

import argparse
import logging
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from export.bundle import (
    BundleManifest,
    Modality,
    Parity,
    Source,
    TensorInfo,
    describe_file,
    sha256,
    write_manifest,
)
from export.onnx import export_onnx
from export.parity import measure_parity
from export.runtimes.onnxruntime import OnnxRuntime
from preprocess.atomic import atomic_folder
from preprocess.errors import UserError, run_command
from training.checkpoint import Checkpoint, load_checkpoint, restore_network

_MODALITIES: dict[str, Modality] = {"M": "rgb", "K": "depth", "FusionNet": "rgbd"}
_MEANINGS = {
    "logits": "class scores before softmax: the answer",
    "logits_small": "scores of the branch that reads the fewest frames",
    "logits_medium": "scores of the middle branch",
    "logits_large": "scores of the branch that reads the most frames",
    "logits_rgb": "scores of the RGB stream's head, which has seen what the streams share",
    "logits_depth": "scores of the depth stream's head, which has seen what the streams share",
}


def main() -> int:
    """Export one checkpoint; returns the exit code."""
    arguments = _parse()
    if arguments.out.exists() and not (arguments.out / "bundle.json").is_file():
        raise UserError(f"{arguments.out}: exists and is not a bundle; choose another --out")
    console = Console()
    with console.status("exporting"):
        checkpoint = load_checkpoint(arguments.checkpoint)
        parity = export_bundle(arguments.checkpoint, checkpoint, arguments.out, name=arguments.name)
    table = Table(
        "artifact", "max difference", "mean difference", "same answer", title=f"{arguments.out} against PyTorch"
    )
    agreement = f"{parity.top1_agreement:.0%} of {parity.num_clips}"
    table.add_row(parity.artifact, f"{parity.max_difference:.1e}", f"{parity.mean_difference:.1e}", agreement)
    console.print(table)
    return 0


def export_bundle(source: Path, checkpoint: Checkpoint, out: Path, *, name: str) -> Parity:
    """Write the bundle of `checkpoint`, read from `source`, to the folder `out` atomically; return its parity."""
    network = restore_network(checkpoint)
    with atomic_folder(out) as folder:
        path = folder / "model.onnx"
        with _quiet_exporter():
            outputs = export_onnx(network, checkpoint, path)
        parity = measure_parity(network, checkpoint, OnnxRuntime(path, "cpu"), path.name)
        clip, num_classes = checkpoint.config.clip, len(checkpoint.class_names)
        shape = ("batch", clip.num_frames, clip.size, clip.size, 3)
        manifest = BundleManifest(
            name=name,
            version="1",
            modality=_MODALITIES[checkpoint.config.type],
            labels=checkpoint.class_names,
            temperature=checkpoint.temperature,
            clip_spec=clip,
            inputs=tuple(
                TensorInfo(name=stream, dtype="uint8", shape=shape, meaning=f"sampled {stream} frames, RGB order")
                for stream in checkpoint.config.modalities
            ),
            outputs=tuple(
                TensorInfo(name=head, dtype="float32", shape=("batch", num_classes), meaning=_MEANINGS[head])
                for head in outputs
            ),
            files=(describe_file(path, runtime="onnxruntime", precision="fp32"),),
            parity=(parity,),
            source=Source(
                checkpoint_sha256=sha256(source),
                config=checkpoint.config.model_dump(mode="json"),
                metrics=checkpoint.metrics,
                git_commit=_git_commit(),
            ),
        )
        write_manifest(folder, manifest)
    return parity


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep the exporter's advice to its own developers off the terminal."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(action="ignore"):
        yield


def _git_commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None  # installed from a package, or no git


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, help="a file that training wrote, such as best.pt")
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder; an older bundle is replaced")
    parser.add_argument("--name", default="motion", help="the model's name in the service (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
