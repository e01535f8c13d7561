"""What can be verified of a bundle without PyTorch: its artifacts against the answer that the bundle carries."""

import numpy as np

from export.bundle.folder import Bundle
from export.bundle.seeded_clips import seeded_inputs
from export.runtimes.loading import home_of, load_artifact, unavailable_reason
from export.verification.parity import check_parity, measure_parity
from rgbd.steps import step


def compare_known_answer(bundle: Bundle, device: str | None = None) -> Bundle:
    """Return the bundle with each artifact's parity on the seeded clip, whose answer PyTorch gave at the export.

    Nothing is written: one clip says less than what the bundle holds. Artifacts run on `device`, or where they are at
    home; of what this machine cannot run nothing changes. Raises `UserError` where one is too far from PyTorch.
    """
    manifest = bundle.manifest
    clip = seeded_inputs(manifest.streams, manifest.clip_spec, batch=1)
    expected = {head: np.array([scores], np.float32) for head, scores in manifest.check.items()}
    artifacts = []
    for artifact in manifest.artifacts:
        if unavailable_reason(artifact, device) is None:
            with step(f"comparing {artifact.name} with the known answer"):
                runtime = load_artifact(bundle, artifact, device or home_of(artifact))
                parity = measure_parity([expected], [runtime.infer(clip)], manifest.temperature, "made from a seed")
                check_parity(artifact.name, artifact.precision, parity)
            artifact = artifact.model_copy(update={"parity": parity})  # noqa: PLW2901  the same, compared
        artifacts.append(artifact)
    return Bundle(bundle.folder, manifest.model_copy(update={"artifacts": tuple(artifacts)}))
