"""What a new bundle says of itself."""

import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from export.build.graph import exported_heads
from export.build.plan import ExportOptions
from export.bundle.folder import describe_files
from export.bundle.manifest import Artifact, BundleManifest, Live, TensorInfo
from export.bundle.manifest import Source as SourceEntry
from export.bundle.seeded_clips import seeded_inputs
from export.verification.source import Source
from rgbd.clip.rejection import Rejection
from training.networks.family import family_of


def describe(
    folder: Path,
    artifacts: Sequence[Artifact],
    source: Source,
    options: ExportOptions,
    check: Mapping[str, tuple[float, ...]],
    live: Live | None,
) -> BundleManifest:
    """Return the manifest of the files in `folder`, made of the checkpoint in `source`.

    `check` is what PyTorch answers to the known clip.
    """
    checkpoint = source.checkpoint
    config, spec = checkpoint.config, checkpoint.config.clip
    heads = family_of(config).heads
    return BundleManifest(
        name=options.name,
        version=version_of(source, options),
        modality=config.modality,
        labels=checkpoint.class_names,
        temperature=checkpoint.temperature,
        rejection=_of_outputs(checkpoint.rejection, check),
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
                meaning=heads[head].meaning,
                stream=heads[head].stream,
            )
            for head, scores in check.items()
        ),
        check=dict(check),
        trained_on=checkpoint.trained_on,
        clip_s=checkpoint.clip_s,
        preparation=checkpoint.preparation,
        files=describe_files(folder),
        artifacts=tuple(artifacts),
        live=live,
        source=SourceEntry(
            checkpoint=str(source.path.resolve()),
            checkpoint_sha256=source.sha256,
            config=config.model_dump(mode="json"),
            metrics=checkpoint.metrics,
            git_commit=_git_commit(),
        ),
    )


def _of_outputs(rejection: Rejection | None, outputs: Collection[str]) -> Rejection | None:
    """Return what is known of the heads that the graph has."""
    if rejection is None:
        return None
    return Rejection(known={head: known for head, known in rejection.known.items() if head in outputs})


def version_of(source: Source, options: ExportOptions) -> str:
    """Return the version that was asked for, or else the checkpoint's epoch and the beginning of its hash."""
    return options.version or f"epoch{source.checkpoint.position.epoch}-{source.sha256[:8]}"


def metadata_of(source: Source, options: ExportOptions) -> dict[str, object]:
    """Return what every graph says of itself."""
    return {
        "name": options.name,
        "version": version_of(source, options),
        "labels": source.checkpoint.class_names,
        "clip_spec": source.checkpoint.config.clip.model_dump(mode="json"),
    }


def known_answer(source: Source, *, answer_only: bool) -> dict[str, tuple[float, ...]]:
    """Return what PyTorch answers to one seeded clip, by head."""
    config = source.checkpoint.config
    outputs = source.pytorch.infer(seeded_inputs(config.modalities, config.clip, batch=1))
    kept = exported_heads(outputs, answer_only=answer_only)
    return {head: tuple(scores[0].tolist()) for head, scores in kept.items()}


def _git_commit() -> str | None:
    """Return the commit that this code is of; None where it was installed from a package, or there is no git."""
    git, here = ("git", "-C", str(Path(__file__).parent)), Path(__file__).name
    try:
        subprocess.run((*git, "ls-files", "--error-unmatch", here), capture_output=True, check=True)
        return subprocess.run((*git, "rev-parse", "HEAD"), capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
