"""What a new bundle says of itself."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from export.build.plan import ExportOptions
from export.bundle.folder import describe_files, sha256
from export.bundle.manifest import Artifact, BundleManifest, Source, TensorInfo
from export.bundle.seeded_clips import seeded_inputs
from export.verification.pytorch import TorchRuntime
from rgbd.types import Modality, Stream
from training.run.checkpoint import Checkpoint, restore_network

_MODALITIES: dict[str, Modality] = {"M": "rgb", "K": "depth", "FusionNet": "rgbd"}
_MEANINGS = {
    "logits": "class scores before softmax: the answer",
    "logits_small": "scores of the branch that reads the fewest frames",
    "logits_medium": "scores of the middle branch",
    "logits_large": "scores of the branch that reads the most frames",
    "logits_rgb": "scores of the RGB stream's head, which has seen what the streams share",
    "logits_depth": "scores of the depth stream's head, which has seen what the streams share",
}
_STREAMS: dict[str, Stream] = {"logits_rgb": "rgb", "logits_depth": "depth"}


def describe(
    folder: Path, artifacts: Sequence[Artifact], source: Path, checkpoint: Checkpoint, options: ExportOptions
) -> BundleManifest:
    """Return the manifest of the files in `folder`, made of the checkpoint in `source`."""
    config, spec = checkpoint.config, checkpoint.config.clip
    check = _check(checkpoint, answer_only=options.answer_only)
    return BundleManifest(
        name=options.name,
        version="1",
        modality=_MODALITIES[config.type],
        labels=checkpoint.class_names,
        temperature=checkpoint.temperature,
        clip_spec=spec,
        inputs=tuple(
            TensorInfo(
                name=stream, dtype="uint8", shape=("batch", *spec.shape), meaning=f"sampled {stream} frames, RGB order"
            )
            for stream in config.modalities
        ),
        outputs=tuple(
            TensorInfo(
                name=head,
                dtype="float32",
                shape=("batch", len(scores)),
                meaning=_MEANINGS[head],
                stream=_STREAMS.get(head),
            )
            for head, scores in check.items()
        ),
        check=check,
        trained_on=checkpoint.trained_on,
        files=describe_files(folder),
        artifacts=tuple(artifacts),
        source=Source(
            checkpoint=str(source.resolve()),
            checkpoint_sha256=sha256(source),
            config=config.model_dump(mode="json"),
            metrics=checkpoint.metrics,
            git_commit=_git_commit(),
        ),
    )


def _check(checkpoint: Checkpoint, *, answer_only: bool) -> dict[str, tuple[float, ...]]:
    """Return what PyTorch answers to one seeded clip, by head."""
    reference = TorchRuntime(restore_network(checkpoint), checkpoint.config.modalities)
    outputs = reference.infer(seeded_inputs(checkpoint.config.modalities, checkpoint.config.clip, batch=1))
    return {head: tuple(scores[0].tolist()) for head, scores in outputs.items() if head == "logits" or not answer_only}


def _git_commit() -> str | None:
    """Return the commit that this code is of; None where it was installed from a package, or there is no git."""
    git, here = ("git", "-C", str(Path(__file__).parent)), Path(__file__).name
    try:
        subprocess.run((*git, "ls-files", "--error-unmatch", here), capture_output=True, check=True)
        return subprocess.run((*git, "rev-parse", "HEAD"), capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
