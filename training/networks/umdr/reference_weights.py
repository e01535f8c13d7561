"""Our parameter names <-> the reference's, so that weights travel in both directions.

Source: the keys and shapes in tests/golden/umdr/state_dict_*.json. Entries keep their elements' order, only shapes
differ: the reference's convolutions are 3-D where ours are 2-D or 1-D. A stream's file has all of a stream; a fusion's
has the head alone, and the streams have files of their own.
"""

import re
from collections.abc import Callable, Mapping
from typing import cast

from torch import Tensor

from rgbd.errors import UserError
from training.config.schema import TrainingConfig
from training.networks.dsn.reference_weights import check_modality, matching_entries
from training.networks.dsn.temporal import BRANCHES
from training.networks.umdr.config import NetworkConfig

_RECOUPLINGS = {"0": "1", "1": "3", "2": "6"}  # where the reference counts them among its layers


def _branch(found: re.Match[str]) -> str:
    return f"branch.{BRANCHES.index(found[1])}."


# Applied in this order to a key of ours: each rewrites one part of it.
_RULES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    # spatial stream
    (r"^spatial\.conv1\.", "stem.0."),
    (r"^spatial\.conv2\.", "stem.2."),
    (r"^spatial\.conv3\.", "stem.3."),
    (r"^spatial\.stages\.(\d)\.", lambda found: f"SMS_layers.{2 * int(found[1])}."),
    (r"^(SMS_layers\.\d)\.first\.", r"\1.Mixed1."),
    (r"^(SMS_layers\.\d)\.second\.", r"\1.Mixed2."),
    (r"^spatial\.recouplings\.(\d)\.", lambda found: f"SMS_layers.{_RECOUPLINGS[found[1]]}."),
    (r"^(SMS_layers\.\d)\.query\.", r"\1.q."),
    (r"^(SMS_layers\.\d)\.key\.", r"\1.k."),
    (r"^(SMS_layers\.\d)\.time_gate\.", r"\1.TM_project."),
    (r"^(SMS_layers\.\d)\.distil\.", r"\1.linear."),
    (r"^spatial\.project\.0\.", "LinearMap.1."),
    (r"^spatial\.project\.1\.", "LinearMap.2."),
    # temporal stream and heads
    (r"^temporal\.branches\.(\w+)\.", _branch),
    (r"^branch\.(\d)\.class_token$", r"dtn.cls_tokens.\1.cls_token"),
    (r"^branch\.(\d)\.position$", r"dtn.cls_tokens.\1.pos_embedding"),
    (r"^branch\.(\d)\.inception\.", r"dtn.multi_scale_transformers.\1.0."),
    (r"^branch\.(\d)\.blocks\.(\d+)\.", r"dtn.multi_scale_transformers.\1.2.layers.\2."),
    (r"\.attention\.norm\.", ".0.norm."),
    (r"\.attention\.qkv\.", ".0.fn.to_qkv."),
    (r"\.attention\.out\.", ".0.fn.to_out.0."),
    (r"(layers\.\d+)\.feed_forward\.norm\.", r"\1.1.norm."),
    (r"(layers\.\d+)\.feed_forward\.up\.", r"\1.1.fn.fc1."),
    (r"(layers\.\d+)\.feed_forward\.down\.", r"\1.1.fn.fc2."),
    (r"^heads\.(\w+)\.", _branch),
    (r"^branch\.(\d)\.0\.", r"dtn.multi_scale_transformers.\1.3.0."),
    (r"^branch\.(\d)\.1\.", r"dtn.multi_scale_transformers.\1.3.2."),
    # head of the fusion
    (r"^head\.rgb_position$", "pos_embedding_M"),
    (r"^head\.depth_position$", "pos_embedding_K"),
    (r"^head\.rgb_norm\.", "norm1."),
    (r"^head\.depth_norm\.", "norm2."),
    (r"^head\.rgb_classes\.", "classifier1."),
    (r"^head\.depth_classes\.", "classifier2."),
    (r"^head\.enhance\.", "temp_enhance_module."),
    (r"^head\.spatial\.norm\.", "SCC_Module.norm."),
    (r"^head\.temporal\.norm\.", "TimesFormer.norm."),
    (r"^head\.spatial\.layers\.(\d+)\.enhance\.", r"SCC_Module.att_nets.\1.0."),
    (r"^head\.spatial\.layers\.(\d+)\.rgb\.", r"SCC_Module.att_nets.\1.1."),
    (r"^head\.spatial\.layers\.(\d+)\.depth\.", r"SCC_Module.att_nets.\1.2."),
    (r"^head\.temporal\.layers\.(\d+)\.rgb\.", r"TimesFormer.att_nets.\1.0."),
    (r"^head\.temporal\.layers\.(\d+)\.depth\.", r"TimesFormer.att_nets.\1.1."),
    (r"\.(rgb|depth)_gate\.", r".mlp_\1."),
    (r"(att_nets\..*)\.query\.", r"\1.q."),
    (r"(att_nets\..*)\.key\.", r"\1.k."),
    (r"(att_nets\..*)\.value\.", r"\1.v."),
    (r"\.feed_forward\.norm\.", ".ffn.norm."),
    (r"\.feed_forward\.up\.", ".ffn.fn.fc1."),
    (r"\.feed_forward\.down\.", ".ffn.fn.fc2."),
    # units of all Inception blocks
    (r"(stem\.\d|\.b\d[ab]?)\.conv\.", r"\1.conv3d."),
    (r"(stem\.\d|\.b\d[ab]?)\.norm\.", r"\1.bn."),
)

_CLASSES, _FUSED_CLASSES = "dtn.multi_scale_transformers.0.3.2.weight", "classifier1.weight"  # of a stream, the fusion
_POSITION, _FUSED_POSITION = "dtn.cls_tokens.0.pos_embedding", "pos_embedding_M"  # of the frames that are read, and one
_GATE = "SMS_layers.1.q.weight"


def reference_key(key: str) -> str | None:
    """Return the reference's name of our state_dict entry `key`; None where its files hold no such entry."""
    if key.startswith(("rgb.", "depth.")) or key == "tau":
        return None
    for pattern, replacement in _RULES:
        key = re.sub(pattern, replacement, key)
    return key


def reference_shape(key: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the reference's shape of our state_dict entry `key` of shape `shape`."""
    if key.endswith(".conv.weight"):
        return (*shape[:2], 1, *shape[2:]) if len(shape) == 4 else (*shape, 1, 1)
    return shape


class UmdrWeights:
    """The published weight files. The classes, the frames of a clip and how many a branch reads are the file's."""

    has_streams = False

    def describe(self, state: Mapping[str, Tensor], config: TrainingConfig) -> tuple[TrainingConfig, int]:
        """See `ReferenceWeights.describe`."""
        is_fusion = _FUSED_CLASSES in state and _FUSED_POSITION in state
        if not is_fusion and not {_CLASSES, _GATE, _POSITION} <= state.keys():
            raise UserError(f"has neither {_CLASSES} nor {_FUSED_CLASSES}, so it is of another network")
        check_modality(config, is_fusion=is_fusion)
        if is_fusion:
            return _with_frames(config, _num_positions(state, _FUSED_POSITION)), len(state[_FUSED_CLASSES])
        num_frames, small = state[_GATE].shape[-1], _num_positions(state, _POSITION)
        return _with_frames(config, num_frames, divisor=_divisor(num_frames, small)), len(state[_CLASSES])

    def unused(self, state: Mapping[str, Tensor]) -> list[str]:  # noqa: ARG002  its files hold nothing else
        """See `ReferenceWeights.unused`."""
        return []

    def to_ours(self, state: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `ReferenceWeights.to_ours`."""
        named = {key: name for key in like if (name := reference_key(key)) is not None}
        return {**like, **matching_entries(state, like, named, reference_shape)}

    def from_ours(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `ReferenceWeights.from_ours`: of a fusion, its head."""
        named = {key: name for key in state if (name := reference_key(key)) is not None}
        return {name: state[key].reshape(reference_shape(key, tuple(state[key].shape))) for key, name in named.items()}


def _num_positions(state: Mapping[str, Tensor], key: str) -> int:
    """Return of how many frames these are the positions; the class token has one, too."""
    if state[key].ndim != 3:
        raise UserError(
            f"{key} has shape {tuple(state[key].shape)}, expected one of three numbers; copy the file again"
        )
    return state[key].shape[1] - 1


def _divisor(num_frames: int, small: int) -> int:
    divisor = num_frames // max(1, small)
    if divisor < 1 or num_frames // divisor != small:
        raise UserError(
            f"its recouplings are of clips of {num_frames} frames and its small branch reads {small} of them, which "
            "no network.branch_divisor gives; the file mixes two networks"
        )
    return divisor


def _with_frames(config: TrainingConfig, num_frames: int, divisor: int | None = None) -> TrainingConfig:
    clip = config.clip.model_copy(update={"num_frames": num_frames})
    network = cast(NetworkConfig, config.network)
    if divisor is not None:
        network = network.model_copy(update={"branch_divisor": divisor})
    return config.model_copy(update={"clip": clip, "network": network})
