"""The training loop: epochs of steps, evaluation, checkpoints."""

import json
import math
import time
import warnings

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from preprocess.atomic import atomic_file
from preprocess.errors import UserError
from training.checkpoint import Checkpoint, build_network, load_streams, save_checkpoint
from training.config import OptimizerConfig, TrainingConfig
from training.data import Batch, Loader, class_names
from training.display import Display, EpochFigures
from training.distributed import Process, share_buffers
from training.evaluate import evaluate
from training.losses import network_loss
from training.models.fusion import FusionNet
from training.models.unimodal import UnimodalNet
from training.schedule import distillation_weight, learning_rate, tau


class Trainer:
    """One training run."""

    def __init__(self, config: TrainingConfig, process: Process, display: Display) -> None:
        self._config, self._process, self._display = config, process, display
        self._class_names = class_names(config.data)
        self._train = Loader(config, "train", rank=process.rank, world_size=process.world_size)
        self._valid = Loader(config, "valid", rank=process.rank, world_size=process.world_size)
        torch.manual_seed(config.seed)  # initial weights are the same in every process
        self._network = build_network(config, len(self._class_names))
        if config.type == "FusionNet":
            load_streams(self._network, config)
        self._network.to(process.device)
        self._parallel = self._parallelise(self._network)
        self._optimizer = _optimizer(self._network, config.optimizer)
        # Dropout must differ between the processes, or they would drop the same units.
        torch.manual_seed(config.seed + 1 + process.rank)
        self._step = 0
        self._best = -1.0

    def run(self) -> dict[str, float]:
        """Train to the end and return the metrics of the best epoch, whose weights are in best.pt."""
        best: dict[str, float] = {}
        schedule = self._config.schedule
        for epoch in range(schedule.epochs):
            self._train_epoch(epoch)
            last = epoch + 1 == schedule.epochs
            if not last and (epoch + 1) % schedule.evaluate_every:
                continue
            share_buffers(self._network, self._process)
            metrics = evaluate(self._network, self._valid, self._process).metrics()
            self._display.evaluated(metrics, len(self._valid.dataset))
            if self._process.speaks:
                self._save("last.pt", epoch, metrics)
            if metrics["top1"] > self._best:
                self._best, best = metrics["top1"], metrics
                if self._process.speaks:
                    self._save("best.pt", epoch, metrics)
        return best

    def _train_epoch(self, epoch: int) -> None:
        self._network.train()
        if isinstance(self._network, UnimodalNet):
            self._network.tau = tau(epoch, self._config.schedule)
        # Draws which frames the branches read.
        rng = np.random.default_rng([self._config.seed, epoch, self._process.rank, 1])
        self._display.begin(epoch, len(self._train))
        figures = EpochFigures()
        waiting_since = time.perf_counter()
        for batch in self._train.epoch(epoch):
            waited_s = time.perf_counter() - waiting_since
            rate = learning_rate(self._step, len(self._train), self._config.optimizer, self._config.schedule)
            loss, correct = self._train_step(batch, epoch, rate, rng)
            figures.add(loss=loss, correct=correct, clips=len(batch.labels), rate=rate, waited_s=waited_s)
            self._display.advance(figures)
            waiting_since = time.perf_counter()
        self._display.trained(epoch, figures)

    def _train_step(self, batch: Batch, epoch: int, rate: float, rng: np.random.Generator) -> tuple[float, int]:
        config = self._config
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        labels = batch.labels.to(self._process.device)
        output = self._parallel(*(clip.to(self._process.device) for clip in batch.clips), rng=rng)
        distil = distillation_weight(epoch, config.loss.distillation, config.schedule)
        loss = network_loss(output, labels, config.loss, distil=distil, sum_distillation=config.legacy.sum_distillation)
        if not math.isfinite(loss.total.item()):
            raise UserError(
                f"the loss is {loss.total.item()} in epoch {epoch + 1}, step {self._step}; "
                f"lower optimizer.lr (now {config.optimizer.lr}); the last good weights are in {config.out}"
            )
        self._optimizer.zero_grad()
        loss.total.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), config.optimizer.clip_norm)
        self._optimizer.step()
        self._step += 1
        return loss.total.item(), int((output.logits.argmax(1) == labels).sum())

    def _parallelise(self, network: UnimodalNet | FusionNet) -> nn.Module:
        if self._process.world_size == 1:
            return network
        if self._process.device.type == "cuda":
            synced = nn.SyncBatchNorm.convert_sync_batchnorm(network)
            return DistributedDataParallel(synced, device_ids=[self._process.device.index])
        # Of a 1x1 kernel both memory layouts are the same, but torch compares the strides that describe them.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        return DistributedDataParallel(network)  # SyncBatchNorm exists on GPUs only: batch norm sees its own share

    def _save(self, name: str, epoch: int, metrics: dict[str, float]) -> None:
        network = self._network
        checkpoint = Checkpoint(
            config=self._config,
            class_names=self._class_names,
            epoch=epoch + 1,
            tau=network.tau if isinstance(network, UnimodalNet) else 1.0,
            metrics=metrics,
            model=network.state_dict(),
            optimizer=self._optimizer.state_dict(),
        )
        save_checkpoint(self._config.out / name, checkpoint)
        with atomic_file(self._config.out / f"{name.removesuffix('.pt')}.json") as temporary:
            temporary.write_text(json.dumps({"epoch": epoch + 1, **metrics}) + "\n", encoding="utf-8")


def _optimizer(network: UnimodalNet | FusionNet, config: OptimizerConfig) -> torch.optim.Optimizer:
    if config.name == "adamw":
        return torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    return torch.optim.SGD(
        network.parameters(), lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay
    )
