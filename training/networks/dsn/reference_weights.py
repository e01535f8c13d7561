"""Our parameter names <-> the reference's, so that weights travel in both directions.

Source: the keys and shapes in tests/golden/state_dict_*.json. Entries keep their elements' order, only shapes differ:
the reference's convolutions are 3-D (or 1x1 2-D) where ours are 2-D, 1-D or linear.
"""

import re
from collections.abc import Callable, Mapping
from typing import cast

from torch import Tensor

from rgbd.errors import UserError
from training.config.schema import TrainingConfig
from training.networks.dsn.config import NetworkConfig

# Applied in this order to a key of ours: each rewrites one part of it.
_RULES: tuple[tuple[str, str], ...] = (
    # streams of the fusion network
    (r"^rgb\.", "Modalit_rgb."),
    (r"^depth\.", "Modalit_depth."),
    (r"^backbone\.", ""),
    (r"^rgb_head\.", "classifier1."),
    (r"^depth_head\.", "classifier2."),
    (r"^modality_head\.1\.", "fc."),
    (r"^head\.", "fusion_model.efc."),
    (r"^spatial_fusion\.", "crossFusion."),
    (r"^temporal_fusion\.", "crossFusionT."),
    (r"^(crossFusionT?)\.mix\.", r"\1.0."),
    (r"^(crossFusionT?)\.norm\.", r"\1.1."),
    (r"^(crossFusionT?)\.out\.", r"\1.3."),
    # spatial stream
    (r"spatial\.project\.", "LinearMap."),
    (r"spatial\.guidance_weights$", "frp_module.rpconv1d.weight"),
    (r"spatial\.conv1\.", "Conv3d_1a_7x7."),
    (r"spatial\.conv2\.", "Conv3d_2b_1x1."),
    (r"spatial\.conv3\.", "Conv3d_2c_3x3."),
    (r"spatial\.mixed_", "Mixed_"),
    (r"((?:Conv3d|Mixed)_.*)\.conv\.", r"\1.conv3d."),
    (r"((?:Conv3d|Mixed)_.*)\.norm\.", r"\1.bn."),
    # temporal stream
    (r"temporal\.recoupling\.query\.", "dtn.rcm.q."),
    (r"temporal\.recoupling\.key\.", "dtn.rcm.k."),
    (r"temporal\.recoupling\.time_gate\.", "dtn.rcm.project."),
    (r"temporal\.recoupling\.distil\.", "dtn.rcm.linear."),
    (r"temporal\.branches\.medium\.", "temporal.branches.media."),
    (r"temporal\.branches\.(\w+)\.class_token$", r"dtn.cls_token_\1"),
    (r"temporal\.branches\.(\w+)\.position$", r"dtn.pos_embedding_\1"),
    (r"temporal\.branches\.(\w+)\.inception\.(\w+)\.conv\.", r"dtn.multi_scale_transformers.0.Mixed_\1.\2.conv3d."),
    (r"temporal\.branches\.(\w+)\.inception\.(\w+)\.norm\.", r"dtn.multi_scale_transformers.0.Mixed_\1.\2.bn."),
    (r"temporal\.branches\.(\w+)\.blocks\.(\d+)\.", r"dtn.multi_scale_transformers.\2.transformer_enc_\1.layers.0."),
    (r"layers\.0\.attention\.norm\.", "layers.0.0.norm."),
    (r"layers\.0\.attention\.qkv\.", "layers.0.0.fn.to_qkv."),
    (r"layers\.0\.attention\.out\.", "layers.0.0.fn.to_out.0."),
    (r"layers\.0\.feed_forward\.norm\.", "layers.0.1.norm."),
    (r"layers\.0\.feed_forward\.up\.", "layers.0.1.fn.fc1."),
    (r"layers\.0\.feed_forward\.down\.", "layers.0.1.fn.fc2."),
    (r"^heads\.medium\.", "heads.media."),
    (r"^heads\.(\w+)\.", r"dtn.mlp_head_\1."),
)

# Early files carry temporal Inception blocks of all layers, of which the first's alone are ever used.
_UNUSED = re.compile(r"dtn\.multi_scale_transformers\.[1-9]\d*\.Mixed_")
_HEADS = ("dtn.mlp_head_small.1.weight", "classifier1.1.weight")  # of a stream, of the fusion network
_TIME_GATES = ("dtn.rcm.project.0.weight", "Modalit_rgb.dtn.rcm.project.0.weight")

# The fusion network's sequences count differently: (ours) groups of linear, norm, ReLU against a flat list.
_FLAT = {"encoder": "fusion_model.encoder.enconv", "decoder": "fusion_model.decoder.deconv"}


_MERGED = ".merge_heads."
_SEVERAL_HEADS = (
    "network.recoupling_heads (model.SEHeads of the published files) is above 1: what merges them has a name in such "
    "weight files that is not known here, since no published file has any; only networks with one travel"
)


def reference_key(key: str) -> str:
    """Return the reference's name of our state_dict entry `key`, of either network."""
    sequence = re.match(r"^(encoder|decoder)\.(\d+)\.(?:([01])\.)?(.+)$", key)
    if sequence:
        name, group, within, rest = sequence.groups()
        return f"{_FLAT[name]}.{3 * int(group) + int(within or 0)}.{rest}"
    for pattern, replacement in _RULES:
        key = re.sub(pattern, replacement, key)
    return key


def reference_shape(key: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the reference's shape of our state_dict entry `key` of shape `shape`."""
    if key.endswith("guidance_weights"):
        return (1, 2, 1)
    if "spatial." in key and len(shape) == 4:
        return (*shape[:2], 1, *shape[2:])
    if "inception." in key and len(shape) == 3:
        return (*shape, 1, 1)
    if re.match(r"^(spatial|temporal)_fusion\.", key) and len(shape) == 3:
        return (*shape, 1)
    if re.match(r"^(encoder|decoder|head|modality_head)\.", key) and len(shape) == 2:
        return (*shape, 1, 1)
    return shape


def to_reference(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return our state_dict under the reference's names and in its shapes."""
    return {reference_key(key): value.reshape(reference_shape(key, tuple(value.shape))) for key, value in state.items()}


def from_reference(reference: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the reference's state_dict under our names, in the shapes of `ours` (a state_dict of the same network).

    Raises `UserError` that lists what is missing, left over, or of another shape.
    """
    return matching_entries(reference, ours, {key: reference_key(key) for key in ours}, reference_shape)


def matching_entries(
    reference: Mapping[str, Tensor],
    ours: Mapping[str, Tensor],
    names: Mapping[str, str],
    shape_of: Callable[[str, tuple[int, ...]], tuple[int, ...]],
) -> dict[str, Tensor]:
    """Return the entries `reference` by our keys, of which `names` has those of the reference, in the shapes of `ours`.

    `shape_of` gives the reference's shape of a key and shape of ours. Raises `UserError` that lists what is missing,
    left over, or of another shape.
    """
    wanted = {name: key for key, name in names.items()}
    problems = [f"missing {name}" for name in wanted if name not in reference]
    problems += [f"left over {name}" for name in reference if name not in wanted]
    for name in wanted.keys() & reference.keys():
        shape = shape_of(wanted[name], tuple(ours[wanted[name]].shape))
        if tuple(reference[name].shape) != shape:
            problems.append(f"{name} has shape {tuple(reference[name].shape)}, this network needs {shape}")
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise UserError(f"these weights belong to another network: {'; '.join(problems[:5])}{more}")
    return {key: reference[name].reshape(ours[key].shape) for name, key in wanted.items()}


def check_modality(config: TrainingConfig, *, is_fusion: bool) -> None:
    """Raise `UserError` where weights of one stream, or of the fusion, meet a configuration of the other."""
    if is_fusion != (len(config.modalities) > 1):
        theirs, ours = ("the fusion of both streams", "rgbd") if is_fusion else ("one stream", "rgb or depth")
        raise UserError(
            f"has the weights of {theirs}, and the configuration's modality is {config.modality}; give one whose "
            f"modality is {ours}"
        )


class DsnWeights:
    """The published weight files. The number of classes and the width of the recoupling are the file's."""

    has_streams = True

    def describe(self, state: Mapping[str, Tensor], config: TrainingConfig) -> tuple[TrainingConfig, int]:
        """See `ReferenceWeights.describe`."""
        heads = [key for key in _HEADS if key in state]
        if not heads:
            raise UserError(f"has neither {' nor '.join(_HEADS)}, so it is of another network")
        is_fusion = heads[0] == _HEADS[1]
        check_modality(config, is_fusion=is_fusion)
        if cast(NetworkConfig, config.network).recoupling_heads > 1:
            raise UserError(_SEVERAL_HEADS)
        network = config.network.model_copy(update={"recoupling_hidden": _recoupling_hidden(state)})
        return config.model_copy(update={"network": network}), len(state[heads[0]])

    def unused(self, state: Mapping[str, Tensor]) -> list[str]:
        """See `ReferenceWeights.unused`."""
        return [key for key in state if _UNUSED.search(key)]

    def to_ours(self, state: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `ReferenceWeights.to_ours`."""
        return from_reference(state, like)

    def from_ours(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `ReferenceWeights.from_ours`."""
        if any(_MERGED in key for key in state):
            raise UserError(_SEVERAL_HEADS)
        return to_reference(state)


def _recoupling_hidden(state: Mapping[str, Tensor]) -> int | None:
    """Return the width of the time gate where it is not the usual four times the frames; THU-READ's files have 128."""
    for key in _TIME_GATES:
        if key in state and state[key].ndim == 2:
            hidden, num_frames = state[key].shape
            return None if hidden == 4 * num_frames else hidden
    return None
