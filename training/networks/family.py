"""What a family of networks is to the rest of the project; docs/training.md tells how to add one.

The trainer, checkpoints, evaluation, export, reports and the service know networks by this alone.
"""

# ruff: noqa: ARG002  what has a default takes what it does not need

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch.nn.functional as F
from torch import Tensor, nn

from rgbd.errors import ConfigError, UserError
from rgbd.types import Stream
from training.config.families import Sections, find_family
from training.config.schema import LossConfig, TrainingConfig
from training.networks.explanation import Explanation
from training.networks.live import LiveForm

Form = Literal["frames", "volumes"]
"""How a graph lays out clips: frames one by one, or whole volumes, which some runtimes compute faster."""


class Output(Protocol):
    """What `network(*clips, rng=None)` returns for a batch of clips, uint8 [B, T, H, W, 3] of each stream."""

    def heads(self) -> dict[str, Tensor]:
        """Return every head's class scores [B, N] by name; the first is the answer."""


def answer_of(output: Output) -> Tensor:
    """Return the class scores [B, N] that are the network's answer."""
    return next(iter(output.heads().values()))


@dataclass(frozen=True)
class Loss:
    """A total to descend, and its terms for the display."""

    total: Tensor
    terms: dict[str, Tensor]


def cross_entropy(scores: Tensor, labels: Tensor, loss: LossConfig) -> Tensor:
    """Return the cross-entropy of scores [B, N] and int64 labels [B], smoothed and weighted as the section says."""
    weights = loss.class_weights
    assert not isinstance(weights, str) or weights == "equal"  # `training.data.class_weights` has made numbers of it
    weight = None if isinstance(weights, str) else scores.new_tensor(weights)
    return F.cross_entropy(scores, labels, weight=weight, label_smoothing=loss.label_smoothing)


@dataclass(frozen=True)
class Head:
    """What a head's scores mean; and the stream that it can answer for when the other does not come."""

    meaning: str
    stream: Stream | None = None


@dataclass(frozen=True)
class Int8Rules:
    """What may compute in int8, by patterns (`re.match`) of the names of a graph's nodes: `module.path/Operator_7`.

    Within `parts`, what matches a pattern of `kept` stays in float for the reason beside it; all else for that of
    `elsewhere`.
    """

    parts: str
    elsewhere: str
    kept: Mapping[str, str]


class ReferenceWeights(Protocol):
    """Weight files of a family's published code."""

    @property
    def has_streams(self) -> bool:
        """Whether a fusion's file has its streams; otherwise they come from `streams` of the configuration."""

    def describe(self, state: Mapping[str, Tensor], config: TrainingConfig) -> tuple[TrainingConfig, int]:
        """Return the configuration of the network whose weights these are, and its number of classes.

        Raises `UserError` for weights of another network.
        """

    def unused(self, state: Mapping[str, Tensor]) -> list[str]:
        """Return which entries the published code writes and never reads."""

    def to_ours(self, state: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the entries under our names, in the shapes of `like`; raises `UserError` where they do not match."""

    def from_ours(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return our state_dict as the published code's loader takes it."""


class Family(ABC):
    """A family of networks. What has a default here may be left out: what stands on it is then not offered."""

    sections: Sections
    heads: Mapping[str, Head]  # by name, of all its networks
    needs_streams = False  # whether a fusion begins from two trained streams
    weighs_classes = False  # whether its loss heeds loss.class_weights, as `cross_entropy` does
    has_stream_losses = False  # whether a fusion's loss is the sum of `stream_loss` of both streams
    int8: Int8Rules | None = None
    reference_weights: ReferenceWeights | None = None

    @abstractmethod
    def build(self, config: TrainingConfig, num_classes: int) -> nn.Module:
        """Return the untrained network that `config` describes, for the streams `config.modalities`."""

    @abstractmethod
    def loss(self, output: Output, labels: Tensor, config: TrainingConfig, epoch: int) -> Loss:
        """Return the loss of a batch in an epoch, from 0; int64 labels [B]."""

    def stream_loss(self, output: Output, stream: Stream, labels: Tensor, config: TrainingConfig, epoch: int) -> Loss:
        """Return the part of a fusion's loss that is of one stream, whose clips may have labels of their own."""
        raise NotImplementedError(f"{type(self).__name__}.stream_loss")

    def legacy_rate(self, config: TrainingConfig, epoch: int) -> float:
        """Return the learning rate of a whole epoch, from 0, as the family's published code sets it."""
        raise UserError("legacy.warmup: this family repeats no published learning rates; leave it out")

    def epoch_state(self, config: TrainingConfig, epoch: int) -> dict[str, float]:
        """Return what of a network follows from the epoch, from 0; it is set before the epoch, and with the weights."""
        return {}

    def set_epoch_state(self, network: nn.Module, state: Mapping[str, float]) -> None:
        """Set what `epoch_state` returned; needed by a family whose networks have such a state."""
        if state:
            raise NotImplementedError(f"{type(self).__name__}.set_epoch_state")

    def join_streams(self, network: nn.Module, streams: Mapping[Stream, nn.Module]) -> None:
        """Give a network of both streams the weights to begin with, of a trained network of each."""
        raise UserError("streams: this family does not start a fusion from trained streams; leave the section out")

    def own_figures(self, scores: Mapping[str, Tensor], labels: Tensor) -> dict[str, float]:
        """Return further figures of an evaluation: by scores [num_clips, N] of each head, and labels [num_clips]."""
        return {}

    def low_precision(self, network: nn.Module) -> Sequence[str]:
        """Return the names of the modules that may compute in 16 bits, with float32 at their ends."""
        return ()

    def inference_form(self, network: nn.Module, form: Form) -> nn.Module:
        """Return a copy of the network in evaluation, in a form that is fast where nothing is learnt any more."""
        return copy.deepcopy(network).eval()

    def live_form(self, network: nn.Module, config: TrainingConfig) -> LiveForm | None:
        """Return a copy of the network for streams without end; None where every window has to be computed anew."""
        return None

    def explain(self, network: nn.Module, clips: tuple[Tensor, ...], label: int) -> Explanation | None:
        """Return why the network gives a class its score for one clip; uint8 [1, T, H, W, 3] of each stream."""
        return None


def family_of(config: TrainingConfig) -> Family:
    """Return the family of the network that `config` describes; raises `ConfigError` where it is none."""
    name, family = config.network.name, find_family(config.network.name)
    if not isinstance(family, Family):
        raise ConfigError(f"network.name {name}: must inherit from training.networks.family.Family")
    if not isinstance(getattr(family, "heads", None), Mapping):
        raise ConfigError(f"network.name {name}: has no `heads`, the meaning of each head by its name")
    return family
