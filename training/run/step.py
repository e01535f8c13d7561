"""One step of the optimizer: forward and backward over some batches, then the weights move."""

import math
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial, reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training.config.schema import OptimizerConfig, TrainingConfig
from training.data.augmentation.active import active_augmentations
from training.data.augmentation.stages import Mixed, mix
from training.data.loader import Batch
from training.networks.family import Loss, Output, answer_of, family_of
from training.run.distributed import Process, all_agree, gather
from training.run.figures import StepFigures
from training.run.finite import NotFiniteError, name_not_finite

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Stepper:
    """A network that learns: its optimizer, and everything else that moves with a step."""

    def __init__(self, network: nn.Module, config: TrainingConfig, process: Process) -> None:
        self._config, self._process, self._device = config, process, process.device
        self._family = family_of(config)
        self._augmentations = active_augmentations(config.augment, as_published=config.legacy.mixing).batch
        _use_channels_last(network.to(process.device))
        self._parallel = _parallelise(network, config, process)
        self.network = network
        self._forward = torch.compile(self._parallel) if config.compute.compile else self._parallel
        self.optimizer = build_optimizer(network, config.optimizer)
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=config.compute.autocast == "fp16")
        decay = config.optimizer.ema_decay
        self._last: tuple[Batch, int] | None = None  # that moved the weights, and its epoch
        self.averaged: AveragedModel | None = None
        if decay is not None:
            average = get_ema_multi_avg_fn(decay)
            self.averaged = AveragedModel(network, multi_avg_fn=average, use_buffers=True)

    def step(self, batches: Sequence[Batch], rngs: Sequence[np.random.Generator], *, epoch: int) -> StepFigures:
        """Move the weights by the mean gradient of some batches; everything random of a batch comes from its `rng`.

        The loss is that of `epoch`, from 0.

        Raises `NotFiniteError`, in every process and with the weights as they were, where the loss or the gradient is
        not finite. Under fp16 such a step is skipped instead, as long as the factor of the loss can be lowered.
        """
        self.network.train()
        buffers = self._copy_buffers() if self._scaler.is_enabled() else []
        figures = StepFigures()
        for number, (batch, rng) in enumerate(zip(batches, rngs, strict=True), start=1):
            with nullcontext() if number == len(batches) else self._unshared():
                self._add_gradient(batch, rng, 1 / len(batches), epoch, figures)
        self._scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self._config.optimizer.clip_norm)
        if self._is_finite(figures, norm):
            self._scaler.step(self.optimizer)
            self._last = batches[-1], epoch
        elif self._scaler.get_scale() > 1:
            self._restore_buffers(buffers)
            if not math.isfinite(figures.loss):
                figures = StepFigures()
            figures.skipped = 1
        else:
            raise self._not_finite(figures, norm)
        self._scaler.update()
        self.optimizer.zero_grad()
        if self.averaged is not None:
            self.averaged.update_parameters(self.network)
        return figures

    @property
    def has_moved(self) -> bool:
        """Whether a step has been made here, and not skipped."""
        return self._last is not None

    def check(self) -> None:
        """Raise `NotFiniteError`, in every process, where the weights are not finite or give no finite gradient.

        Weights can be finite and yet so large that nothing can be learnt with them any more. So another step is tried
        on the last batch that moved them; it changes nothing.
        """
        if self._last is None:
            return  # nothing has moved
        states = {"network": self.network, "averaged": self.averaged}
        names = name_not_finite({name: each.state_dict() for name, each in states.items() if each is not None})
        if not all_agree(not names, self._process):
            everywhere = dict.fromkeys(filter(None, gather(names, self._process)))
            raise NotFiniteError(f"the weights are not finite: {'; '.join(everywhere)}")
        self.network.train()
        buffers, figures = self._copy_buffers(), StepFigures()
        with self._unshared():
            batch, epoch = self._last
            share = 1 / self._scaler.get_scale()  # to try the weights, not the factor
            self._add_gradient(batch, np.random.default_rng(0), share, epoch, figures)
        gradients = [each.grad for each in self.network.parameters() if each.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        self.optimizer.zero_grad()
        self._restore_buffers(buffers)
        if not self._is_finite(figures, norm):
            raise self._not_finite(figures, norm)

    def _is_finite(self, figures: StepFigures, norm: Tensor) -> bool:
        return all_agree(math.isfinite(figures.loss) and math.isfinite(norm), self._process)

    def _not_finite(self, figures: StepFigures, norm: Tensor) -> NotFiniteError:
        terms = ", ".join(f"{name} {term / figures.clips:.3g}" for name, term in figures.terms.items())
        mine = f"the loss is {figures.loss / figures.clips:.3g} ({terms}), the norm of its gradient {float(norm):.3g}"
        return NotFiniteError("; ".join(dict.fromkeys(gather(mine, self._process))))

    def _unshared(self) -> AbstractContextManager[None]:
        """Return a context in which gradients stay in their process."""
        if isinstance(self._parallel, DistributedDataParallel):
            return self._parallel.no_sync()
        return nullcontext()

    def _copy_buffers(self) -> list[Tensor]:
        """Return what a forward pass changes, such as the statistics of batch norm."""
        return [buffer.clone() for buffer in self.network.buffers()]

    def _restore_buffers(self, buffers: Sequence[Tensor]) -> None:
        for buffer, before in zip(self.network.buffers(), buffers, strict=True):
            buffer.copy_(before)

    def _add_gradient(
        self, batch: Batch, rng: np.random.Generator, share: float, epoch: int, figures: StepFigures
    ) -> None:
        seed = int(rng.integers(2**63))
        torch.manual_seed(seed)  # of dropout; what is drawn for the batch follows from it, too
        labels = batch.labels.to(self._device, non_blocking=True)
        clips = tuple(clip.to(self._device, non_blocking=True) for clip in batch.clips)
        mixes = self._mix(clips, seed)
        with autocast(self._config, self._device):
            output = self._forward(*(clip for mixed in mixes for clip in mixed.clips) if mixes else clips, rng=rng)
            loss = self._loss(output, labels, mixes, epoch)
            total = loss.total
        value, *values = torch.stack([total.detach(), *(term.detach() for term in loss.terms.values())]).tolist()
        self._scaler.scale(total * share).backward()
        size = len(labels)
        figures.loss += value * size
        for name, term in zip(loss.terms, values, strict=True):
            figures.terms[name] = figures.terms.get(name, 0.0) + term * size
        if not mixes:
            figures.correct += int((answer_of(output).argmax(1) == labels).sum())
            figures.judged += size
        figures.clips += size

    def _mix(self, clips: tuple[Tensor, ...], seed: int) -> list[Mixed]:
        """Return the clips mixed with each other: all streams in one way, or each in its own; [] where nothing is."""
        if self._config.legacy.mixing:
            mixes = [mix(self._augmentations, (clip,), (seed, number)) for number, clip in enumerate(clips)]
        else:
            mixes = [mix(self._augmentations, clips, (seed,))]
        return [mixed for mixed in mixes if mixed is not None]

    def _loss(self, output: Output, labels: Tensor, mixes: Sequence[Mixed], epoch: int) -> Loss:
        """Return the loss of a batch for the labels that its clips, or each stream's, are mixed of."""
        family, config = self._family, self._config
        if not mixes:
            return family.loss(output, labels, config, epoch)
        parts = [partial(family.loss, output)]
        if len(mixes) > 1:
            parts = [partial(family.stream_loss, output, stream) for stream in config.modalities]
        losses = [
            _blend(part(labels, config, epoch), part(labels[mixed.partners], config, epoch), mixed.share)
            for part, mixed in zip(parts, mixes, strict=True)
        ]
        return reduce(_sum, losses)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs besides the weights."""
        return {"optimizer": self.optimizer.state_dict(), "scaler": self._scaler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])


def _blend(loss: Loss, other: Loss, share: float) -> Loss:
    """Return the mean of the losses for two labels, of which the first counts by its share."""
    terms = {name: share * term + (1 - share) * other.terms[name] for name, term in loss.terms.items()}
    return Loss(share * loss.total + (1 - share) * other.total, terms)


def _sum(loss: Loss, other: Loss) -> Loss:
    """Return the loss of two streams, whose terms have names of their own."""
    return Loss(loss.total + other.total, loss.terms | other.terms)


def _use_channels_last(network: nn.Module) -> None:
    """Lay out what has four dimensions as convolutions of pictures compute it fastest; others have no such layout.

    `to`, unlike `contiguous`, also changes the strides of 1x1 kernels, by which torch chooses how to compute.
    """
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.to(memory_format=torch.channels_last)


def autocast(config: TrainingConfig, device: torch.device) -> torch.autocast:
    """Return the context in which the network computes."""
    name = config.compute.autocast
    return torch.autocast(device.type, dtype=_DTYPES.get(name), enabled=name != "off")


def _parallelise(network: nn.Module, config: TrainingConfig, process: Process) -> nn.Module:
    if process.world_size == 1:
        return network
    if process.device.type == "cuda":
        parallel: nn.Module = network
        if config.compute.sync_batchnorm:
            parallel = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return DistributedDataParallel(parallel, device_ids=[process.device.index])
    # Of a 1x1 kernel both memory layouts are the same, but torch compares the strides that describe them.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    return DistributedDataParallel(network)  # SyncBatchNorm exists on GPUs only: batch norm sees its own share


def build_optimizer(network: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Return what moves the parameters that are learnt, as the section says."""
    groups, decay = _parameter_groups(network, config), config.weight_decay
    if config.name == "sgd":
        return torch.optim.SGD(
            groups, config.lr, config.momentum, weight_decay=decay, nesterov=config.nesterov, fused=True
        )
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    return kind(groups, config.lr, weight_decay=decay, fused=True)


def _parameter_groups(network: nn.Module, config: OptimizerConfig) -> list[dict[str, Any]]:
    """Return the parameters that are learnt, those that do not decay in a group of their own."""
    learnt = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if config.decayed == "all":
        return [{"params": learnt}]
    return [
        {"params": [parameter for parameter in learnt if parameter.dim() > 1]},
        {"params": [parameter for parameter in learnt if parameter.dim() <= 1], "weight_decay": 0.0},
    ]
