"""How far an artifact's scores lie from PyTorch's, on the same clips."""

import numpy as np
import torch

from export.bundle import Parity
from export.onnx import example_clips
from export.runtimes import Runtime
from preprocess.errors import UserError
from training.checkpoint import Checkpoint
from training.models.fusion import FusionNet
from training.models.unimodal import UnimodalNet

# float32 against float32 with another order of summation; logits have a magnitude of about 10 to 100.
MAX_DIFFERENCE = 1e-2
BATCHES = (1, 2, 5)  # the batch axis must really be dynamic


def measure_parity(network: UnimodalNet | FusionNet, checkpoint: Checkpoint, runtime: Runtime, artifact: str) -> Parity:
    """Return the differences of all heads over seeded clips in several batch sizes.

    Raises `UserError` when a difference is above `MAX_DIFFERENCE`.
    """
    network.eval()
    differences, agreements = [], []
    for batch in BATCHES:
        clips = example_clips(checkpoint, batch)
        with torch.no_grad():
            expected = {name: head.numpy() for name, head in network(*clips).heads().items()}
        inputs = zip(checkpoint.config.modalities, clips, strict=True)
        actual = runtime.infer({stream: clip.numpy() for stream, clip in inputs})
        differences += [np.abs(actual[name] - expected[name]).ravel() for name in expected]
        agreements.append(actual["logits"].argmax(1) == expected["logits"].argmax(1))
    everything = np.concatenate(differences)
    parity = Parity(
        artifact=artifact,
        max_difference=float(everything.max()),
        mean_difference=float(everything.mean()),
        top1_agreement=float(np.concatenate(agreements).mean()),
        num_clips=sum(BATCHES),
    )
    if not parity.max_difference <= MAX_DIFFERENCE:
        raise UserError(
            f"{artifact}: its scores differ from PyTorch's by up to {parity.max_difference:.2g}, allowed is "
            f"{MAX_DIFFERENCE:.2g}; nothing was written; please report this with the checkpoint's configuration"
        )
    return parity
