"""What the reference implementation computed (tests/golden/umdr), and the published networks with its weights.

Everything is in float64: from float32 the reference's gradients differ by up to 8e-3 at ties, and a teacher that is
attached is seen in gradients alone.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.golden.device import DEVICE
from tests.golden.seeding import seeded_input, seeded_parameter, seeded_targets
from training.networks.umdr.config import NetworkConfig
from training.networks.umdr.reference_weights import UmdrWeights, reference_key
from training.networks.umdr.single_stream import UnimodalNet

GOLDEN = Path(__file__).parents[3] / "golden" / "umdr"
NUM_CLASSES = 60
DIVISORS = {16: 2, 32: 2, 64: 4}
PUBLISHED = NetworkConfig()


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def seeded_state(name: str, prefix: str = "") -> dict[str, Tensor]:
    """Return the weights of a file of the reference's, by its names; the recouplings' queries and keys are small."""
    state = {}
    for key, shape in golden(f"state_dict_{name}").items():
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(0)
            continue
        scale = 0.1 if re.search(r"SMS_layers\.\d+\.[qk]\.weight$", key) else 1.0
        state[key] = torch.from_numpy(scale * seeded_parameter(prefix + key, tuple(shape))).float()
    return state


def without_dropout(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def seeded_stream(num_frames: int, tau: float, prefix: str = "") -> UnimodalNet:
    """Return a published network with the golden weights, every dropout at 0, and the temperature of an epoch."""
    config = NetworkConfig(branch_divisor=DIVISORS[num_frames])
    network = UnimodalNet(config, NUM_CLASSES, num_frames)
    state = seeded_state(f"unimodal_t{num_frames}", prefix)
    network.load_state_dict(UmdrWeights().to_ours(state, network.state_dict()))
    without_dropout(network.double().to(DEVICE))
    network.tau.fill_(tau)
    return network


def seeded_clip(given: Mapping[str, Any], seed: str = "seed") -> Tensor:
    """Return normalised frames, float64 [B, T, 3, H, W]."""
    clip, _ = seeded_input(given["batch"], given["size"], given[seed], given["frames"])
    return torch.from_numpy(clip).to(DEVICE).double().transpose(1, 2)


def mixed_clip(clip: Tensor, mixing: Mapping[str, Any]) -> tuple[Tensor, float]:
    """Return a batch of two clips mixed as the reference did it, and the first label's share."""
    if mixing["kind"] == "none":
        return clip, 1.0
    share = float(mixing["lam"])
    if mixing["kind"] == "mixup":
        return share * clip + (1 - share) * clip.flip(0), share
    mixed = clip.clone()
    mixed[:, mixing["frames_from_partner"]] = clip.flip(0)[:, mixing["frames_from_partner"]]
    return mixed, share


def labels_of(given: Mapping[str, Any], seed: int) -> Tensor:
    labels = seeded_targets(given["batch"], seed)
    assert labels.tolist() == given["targets"]
    return torch.from_numpy(labels).to(DEVICE)


def gradient_norms(network: nn.Module) -> dict[str | None, float]:
    """Return the norm of each parameter's gradient by the reference's names."""
    parameters = network.named_parameters()
    return {reference_key(key): each.grad.norm().item() for key, each in parameters if each.grad is not None}


def close(ours: Tensor, numbers: Any, atol: float = 1e-4) -> None:
    np.testing.assert_allclose(ours.detach().cpu().numpy(), np.array(numbers), atol=atol, rtol=0)
