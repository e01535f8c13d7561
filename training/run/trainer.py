"""The training loop: epochs of steps, evaluation, checkpoints."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn

from rgbd.interrupt import exit_code_after
from training.config.schema import TrainingConfig
from training.data.dataset import look_at_clips
from training.data.identity import identity_of
from training.data.loader import Batch, Loader
from training.networks.family import family_of
from training.networks.quality_checks import check_family
from training.run.checkpoint import (
    Checkpoint,
    Position,
    build_network,
    load_start,
    load_streams,
)
from training.run.checkpoint_files import Keeper
from training.run.display import Display, EpochFigures
from training.run.distributed import Process, share_buffers
from training.run.evaluation import all_metrics, evaluate
from training.run.finite import NotFiniteError
from training.run.history import History
from training.run.metrics import Evaluation, fit_temperature, save_evaluation
from training.run.schedule import RateSetter
from training.run.step import Stepper
from training.run.stop_requests import StopRequest, stop_requested


class Trainer:
    """One training run, from its beginning or, with `resumed`, from a checkpoint of it."""

    def __init__(
        self, config: TrainingConfig, process: Process, display: Display, resumed: Checkpoint | None = None
    ) -> None:
        self._config, self._process, self._display = config, process, display
        self._family, self._epoch_state = family_of(config), dict[str, float]()
        self._data = identity_of(config.data)
        self._train = Loader(config, "train", rank=process.rank, world_size=process.world_size)
        self._valid = Loader(config, "valid", rank=process.rank, world_size=process.world_size)
        self._trained_on = look_at_clips(config) if process.is_main else {}
        torch.manual_seed(config.seed)  # initial weights are the same in every process
        network = build_network(config, len(self._data.class_names))
        if ":" in config.network.name:  # ours are held to it by tests
            check_family(network, config, len(self._data.class_names))
        if resumed is None:
            self._load_weights(network)
        self._stepper = Stepper(network, config, process)
        self._steps_per_epoch = -(-len(self._train) // config.optimizer.accumulate)
        self._rates = RateSetter(self._stepper.optimizer, config, self._steps_per_epoch)
        self._position = Position(num_processes=process.world_size)
        self._keeper = Keeper(config.out, config.keep, {})
        self._changes: tuple[str, ...] = ()
        if resumed is not None:
            self._restore(resumed)

    def _load_weights(self, network: nn.Module) -> None:
        config = self._config
        if len(config.modalities) > 1 and config.streams is not None:
            if config.start is not None:
                self._display.say(f"start.checkpoint {config.start.checkpoint} is not used: streams begins the fusion")
            for warning in load_streams(network, config, self._data):
                self._display.say(f"warning: {warning}")
        elif config.start is not None:
            new = load_start(network, config, self._data)
            kinds = sorted({key.split(".")[0] for key in new})
            self._display.say(f"{config.start.checkpoint}: all its weights but {len(new)} of {', '.join(kinds)}")

    def run(self) -> float:
        """Train to the end and return the top-1 accuracy of the best epoch, whose weights are in best.pt.

        Raises `SystemExit` when the run was asked to stop, and is saved; `NotFiniteError` where the loss, the gradient,
        the weights or the scores are not finite: nothing is saved then, and what was saved stays.
        """
        with stop_requested(self._process) as stop:
            if self._process.is_main:
                self._history = History(self._config.out, self._position.epoch)
            while self._position.epoch < self._config.schedule.epochs:
                figures = self._train_epoch(stop)
                self._finish_epoch(figures)
                if signal := stop.agreed():
                    self._stop(signal)
        if self._process.is_main:
            self._history.close()
        return max(self._keeper.top1.values(), default=0.0)

    def _train_epoch(self, stop: StopRequest) -> EpochFigures:
        epoch, done = self._position.epoch, self._position.batches
        self._epoch_state = self._family.epoch_state(self._config, epoch)
        self._family.set_epoch_state(self._stepper.network, self._epoch_state)
        self._display.begin(epoch, len(self._train), done)
        figures = EpochFigures()
        waiting_since = time.perf_counter()
        for batches in _groups(self._train.epoch(epoch, skip=done), self._config.optimizer.accumulate):
            waited_s = time.perf_counter() - waiting_since
            rate = self._rates.before_step(self._position.step)
            with self._explained(f"step {self._position.step + 1}"):
                step = self._stepper.step(batches, self._generators(len(batches)), epoch=epoch)
            self._move(batches=self._position.batches + len(batches), step=self._position.step + 1)
            figures.add(step, rate=rate, waited_s=waited_s)
            self._display.advance(figures, len(batches))
            self._save_within_epoch(stop)
            waiting_since = time.perf_counter()
        self._move(epoch=epoch + 1, batches=0)
        self._display.trained(epoch, figures)
        return figures

    def _generators(self, num_batches: int) -> list[np.random.Generator]:
        """Return what the next batches draw from: it depends on where the run stands only, so that resuming is exact.

        Processes draw differently, or they would all drop the same units and read the same frames.
        """
        position, seed = self._position, self._config.seed
        places = range(position.batches, position.batches + num_batches)
        return [np.random.default_rng([seed, position.epoch, place, self._process.rank, 1]) for place in places]

    def _save_within_epoch(self, stop: StopRequest) -> None:
        signal = stop.agreed()
        every = self._config.keep.every_steps
        is_due = every is not None and self._position.step % every == 0
        if self._position.batches < len(self._train) and (signal or is_due):
            self._check()
            if self._process.is_main:
                self._keeper.save(self._checkpoint())
            if signal:
                self._stop(signal)

    def _check(self) -> None:
        with self._explained(f"after step {self._position.step}"):
            self._stepper.check()

    @contextmanager
    def _explained(self, place: str) -> Iterator[None]:
        """Say of what is not finite where that was, and what to do."""
        try:
            yield
        except NotFiniteError as error:
            raise NotFiniteError(f"{place}: {error}; {self._remedy()}") from error

    def _remedy(self) -> str:
        config, last = self._config, self._config.out / "last.pt"
        if not self._stepper.has_moved:
            return (
                "no weight had moved before, so the rate is not to blame: look at the loss, compute.autocast "
                f"(now {config.compute.autocast}) and the weights that the run began with"
            )
        lower = f"lower optimizer.lr (now {config.optimizer.lr:g})"
        if last.exists():
            return f"{lower} and go on with --resume auto: {last} holds the last good weights"
        return f"{lower} and begin again: nothing was saved"

    def _stop(self, signal: int) -> NoReturn:
        self._display.say(f"stopped, and saved in {self._config.out / 'last.pt'}; go on with --resume auto")
        raise SystemExit(exit_code_after(signal))

    def _finish_epoch(self, figures: EpochFigures) -> None:
        """Evaluate where this epoch is to be evaluated; write the epoch's figures down."""
        epoch, schedule = self._position.epoch, self._config.schedule
        self._check()
        if epoch < schedule.epochs and epoch % schedule.evaluate_every:
            if self._process.is_main:
                self._history.add(epoch, figures.means(), None)
                self._keeper.save(self._checkpoint())
            return
        with self._explained(f"after step {self._position.step}"):
            evaluation, metrics, use_averaged = self._evaluate()
        self._display.evaluated(metrics, len(evaluation.clips))
        self._keeper.top1[epoch] = evaluation.accuracy()
        self._rates.evaluated(epoch - 1, evaluation.accuracy())
        if self._process.is_main:
            self._history.add(epoch, figures.means(), metrics)
            checkpoint = self._checkpoint()
            checkpoint.metrics, checkpoint.use_averaged = metrics, use_averaged
            checkpoint.temperature = fit_temperature(evaluation)
            self._keeper.save_evaluated(checkpoint)
            if self._keeper.is_best(epoch):
                save_evaluation(self._config.out / "scores-valid.npz", evaluation)

    def _evaluate(self) -> tuple[Evaluation, dict[str, float], bool]:
        """Return the scores of the better weights, the figures of both, and whether the averaged ones are better."""
        network, averaged = self._stepper.network, self._averaged_network()
        share_buffers(network, self._process)
        evaluation = evaluate(network, self._valid, self._process, self._config)
        metrics = all_metrics(evaluation, self._config)
        if averaged is None:
            return evaluation, metrics, False
        share_buffers(averaged, self._process)
        other = evaluate(averaged, self._valid, self._process, self._config)
        metrics |= {f"averaged_{name}": value for name, value in all_metrics(other, self._config).items()}
        is_better = other.accuracy() > evaluation.accuracy()
        return (other if is_better else evaluation), metrics, is_better

    def _averaged_network(self) -> nn.Module | None:
        if self._stepper.averaged is None:
            return None
        network: nn.Module = self._stepper.averaged.module
        self._family.set_epoch_state(network, self._epoch_state)
        return network

    def _checkpoint(self) -> Checkpoint:
        network, averaged = self._stepper.network, self._stepper.averaged
        training: dict[str, Any] = {
            **self._stepper.state_dict(),
            "rates": self._rates.state_dict(),
            "top1": dict(self._keeper.top1),
        }
        return Checkpoint(
            config=self._config,
            class_names=self._data.class_names,
            position=self._position,
            epoch_state=self._epoch_state,
            trained_on=self._trained_on,
            preparation=self._data.preparation,
            splits=self._data.splits,
            metrics={},
            model=network.state_dict(),
            averaged=None if averaged is None else averaged.module.state_dict(),
            training=training,
            changes=self._changes,
        )

    def _restore(self, checkpoint: Checkpoint) -> None:
        self._stepper.network.load_state_dict(checkpoint.model)
        if self._stepper.averaged is not None and checkpoint.averaged is not None:
            self._stepper.averaged.module.load_state_dict(checkpoint.averaged)
            self._stepper.averaged.n_averaged.fill_(checkpoint.position.step)
        self._stepper.load_state_dict(checkpoint.training)
        self._rates.load_state_dict(checkpoint.training["rates"], checkpoint.config.optimizer)
        self._keeper.top1.update(checkpoint.training["top1"])
        self._position, self._changes = checkpoint.position, checkpoint.changes
        before = checkpoint.position.num_processes
        if before != self._process.world_size:
            # As many clips are done, whichever they are: the processes share the epoch's clips in another way now.
            batches = checkpoint.position.batches * before // self._process.world_size
            self._move(batches=min(batches, len(self._train)), num_processes=self._process.world_size)
        self._display.say(f"going on in epoch {self._position.epoch + 1}, after step {self._position.step}")
        for change in self._changes:
            self._display.say(f"changed {change}")

    def _move(self, **changes: int) -> None:
        self._position = self._position.model_copy(update=changes)


def _groups(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    while group := list(islice(batches, size)):
        yield group
