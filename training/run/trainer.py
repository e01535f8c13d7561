"""The training loop: epochs of steps, evaluation, checkpoints."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn

from rgbd.interrupt import exit_code_after
from training.config.schema import TrainingConfig
from training.data.dataset import look_at_clips, usual_duration
from training.data.identity import identity_of
from training.data.loader import Batch, Loader
from training.networks.family import family_of
from training.networks.quality_checks import check_family
from training.run.checkpoint import (
    Checkpoint,
    Position,
    build_network,
    load_checkpoint,
    load_start,
    load_streams,
    restore_network,
)
from training.run.checkpoint_files import SCORES_FILE, Keeper
from training.run.display import Display
from training.run.distributed import Process, gather, raised_everywhere, share_buffers
from training.run.evaluation import all_metrics, evaluate
from training.run.figures import EpochFigures
from training.run.finite import NotFiniteError
from training.run.history import History
from training.run.metrics import Evaluation, ScoresSource, fit_known, fit_temperature, save_evaluation
from training.run.resume import Beginning, take_over
from training.run.schedule import RateSetter, Span
from training.run.step import Stepper
from training.run.stop_requests import StopRequest, stop_requested


class Trainer:
    """One training run, from its beginning or from a checkpoint of it."""

    def __init__(self, config: TrainingConfig, process: Process, display: Display, beginning: Beginning) -> None:
        self._config, self._process, self._display = config, process, display
        self._beginning, resumed = beginning, beginning.checkpoint
        self._family, self._epoch_state = family_of(config), dict[str, float]()
        self._data = identity_of(config.data)
        self._train = Loader(config, "train", rank=process.rank, world_size=process.world_size)
        self._valid = Loader(config, "valid", rank=process.rank, world_size=process.world_size)
        self._trained_on = look_at_clips(config) if process.is_main else {}
        self._clip_s = usual_duration(config.data) if process.is_main else None
        torch.manual_seed(config.seed)  # initial weights are the same in every process
        network = build_network(config, len(self._data.class_names))
        if ":" in config.network.name:  # ours are held to it by tests
            check_family(network, config, len(self._data.class_names))
        if resumed is None:
            self._load_weights(network)
        self._stepper = Stepper(network, config, process)
        self._rates = RateSetter(self._stepper.optimizer, config)
        self._position = Position(num_processes=process.world_size)
        self._figures: dict[str, float] = {}  # of training in the last whole epoch
        self._done: dict[str, Any] = {}  # figures of the epoch that had begun when the run was stopped
        self._keeper = Keeper(config.out, config.keep)
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

    def run(self) -> tuple[int, float]:
        """Train to the end and return the best epoch and its top-1 accuracy; its weights are in best.pt.

        Raises `SystemExit` when the run was asked to stop, and is saved; `NotFiniteError` where the loss, the gradient,
        the weights or the scores are not finite: nothing is saved then, and what was saved stays.
        """
        with stop_requested(self._process) as stop:
            self._begin(stop)
            if self._awaits_evaluation():
                self._evaluate_epoch(stop)
            while self._position.epoch < self._config.schedule.epochs:
                self._train_epoch(stop)
                self._finish_epoch(stop)
                self._stop_if_asked(stop)
        if self._process.is_main:
            self._history.close()
        return self._keeper.best_epoch, self._keeper.top1.get(self._keeper.best_epoch, 0.0)

    def _begin(self, stop: StopRequest) -> None:
        """Take the folder over: from here on it holds this run, and all of its files agree with where that stands."""
        has_scores = True
        gather(0, self._process)  # no process is still reading what is about to change
        with raised_everywhere(self._process):
            if self._process.is_main:
                for note in take_over(self._config, self._beginning, self._keeper):
                    self._display.say(note)
                self._begin_history()
                has_scores = self._keeper.has_scores()
        if not all(gather(has_scores, self._process)):
            self._score_best(stop)

    def _begin_history(self) -> None:
        resumed, epoch = self._beginning.checkpoint, self._position.epoch - self._awaits_evaluation()
        self._history = History(self._config.out, epoch)
        if resumed is not None and self._history.last_epoch < epoch and self._figures and not self._position.batches:
            self._history.add(epoch, self._figures, resumed.metrics or None)

    def _score_best(self, stop: StopRequest) -> None:
        """Evaluate the best epoch once more: its scores are lost."""
        best = load_checkpoint(self._config.out / "best.pt")
        self._display.say(f"{SCORES_FILE}: was not of epoch {best.position.epoch}, the best; evaluating that again")
        evaluation = self._scores_of(restore_network(best).to(self._process.device), stop)
        if self._process.is_main:
            self._save_scores(evaluation, best)

    def _save_scores(self, evaluation: Evaluation, of: Checkpoint) -> None:
        source = ScoresSource(weights=(of.weights_digest(),), data=self._config.data.root.resolve(), split="valid")
        save_evaluation(self._config.out / SCORES_FILE, replace(evaluation, source=source))

    def _awaits_evaluation(self) -> bool:
        """Whether the last whole epoch is to be evaluated, and is not: the run was stopped or killed before the end."""
        epoch, schedule = self._position.epoch, self._config.schedule
        is_due = epoch > 0 and (epoch >= schedule.epochs or epoch % schedule.evaluate_every == 0)
        return is_due and self._position.batches == 0 and epoch not in self._keeper.top1

    def _train_epoch(self, stop: StopRequest) -> None:
        epoch, done = self._position.epoch, self._position.batches
        self._epoch_state = self._family.epoch_state(self._config, epoch)
        self._family.set_epoch_state(self._stepper.network, self._epoch_state)
        self._display.begin(epoch, len(self._train), done)
        figures, self._done = EpochFigures.going_on(self._done, self._process), {}
        waiting_since = time.perf_counter()
        for batches in _groups(self._train.epoch(epoch, skip=done), self._config.optimizer.accumulate):
            waited_s = time.perf_counter() - waiting_since
            rate = self._rates.before_step(self._step_ahead())
            with self._explained(f"step {self._position.step + 1}"):
                step = self._stepper.step(batches, self._generators(len(batches)), epoch=epoch)
            self._move(batches=self._position.batches + len(batches), step=self._position.step + 1)
            figures.add(step, rate=rate, waited_s=waited_s)
            self._display.advance(figures, len(batches))
            self._save_within_epoch(figures, stop)
            waiting_since = time.perf_counter()
        self._move(epoch=epoch + 1, batches=0)
        figures = figures.over_all(self._process)
        self._display.trained(epoch, figures)
        self._figures = figures.means()

    def _step_ahead(self) -> Span:
        position, size = self._position, self._config.optimizer.accumulate
        return Span.of_step(position.epoch, position.batches, size, len(self._train))

    def _generators(self, num_batches: int) -> list[np.random.Generator]:
        position = self._position
        places = range(position.batches, position.batches + num_batches)
        return [batch_generator(self._config.seed, position.epoch, place, self._process.rank) for place in places]

    def _save_within_epoch(self, figures: EpochFigures, stop: StopRequest) -> None:
        signal = stop.agreed()
        every = self._config.keep.every_steps
        is_due = every is not None and self._position.step % every == 0
        if self._position.batches < len(self._train) and (signal or is_due):
            self._check()
            done = figures.over_all(self._process).state()
            if self._process.is_main:
                self._keeper.save(self._checkpoint(done))
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

    def _stop_if_asked(self, stop: StopRequest) -> None:
        """End the run, all of which is saved, if any of its processes has been asked to; all of them must call this."""
        if signal := stop.agreed():
            self._stop(signal)

    def _stop(self, signal: int) -> NoReturn:
        self._display.say(f"stopped, and saved in {self._config.out / 'last.pt'}; go on with --resume auto")
        raise SystemExit(exit_code_after(signal))

    def _finish_epoch(self, stop: StopRequest) -> None:
        """Save the trained epoch; evaluate it where that is due."""
        self._check()
        if self._awaits_evaluation():
            if self._process.is_main:
                self._keeper.save_trained(self._checkpoint())
            self._stop_if_asked(stop)
            self._evaluate_epoch(stop)
        elif self._process.is_main:
            self._keeper.save(self._checkpoint())
            self._history.add(self._position.epoch, self._figures, None)

    def _evaluate_epoch(self, stop: StopRequest) -> None:
        """Evaluate the trained epoch, which is saved; save what comes of it, and its figures."""
        epoch = self._position.epoch
        with self._explained(f"after step {self._position.step}"):
            try:
                evaluation, metrics, use_averaged = self._evaluate(stop)
            except NotFiniteError:
                if self._process.is_main:
                    self._keeper.take_back()
                gather(0, self._process)  # every process is about to say what is saved
                raise
        self._display.evaluated(metrics, len(evaluation.clips))
        digest = evaluation.digest()
        self._keeper.evaluated(epoch, evaluation.accuracy(), digest)
        self._rates.evaluated(epoch - 1, evaluation.accuracy())
        if self._process.is_main:
            checkpoint = self._checkpoint()
            checkpoint.metrics, checkpoint.use_averaged = metrics, use_averaged
            checkpoint.temperature = fit_temperature(evaluation)
            checkpoint.rejection = fit_known(evaluation, self._family.heads, self._data.class_names)
            checkpoint.training["scores"] = digest
            self._keeper.save_evaluated(checkpoint)
            if epoch == self._keeper.best_epoch:
                self._save_scores(evaluation, checkpoint)
            self._history.add(epoch, self._figures, metrics)

    def _evaluate(self, stop: StopRequest) -> tuple[Evaluation, dict[str, float], bool]:
        """Return the scores of the better weights, the figures of both, and whether the averaged ones are better."""
        networks: list[nn.Module] = [self._stepper.network]
        if self._stepper.averaged is not None:
            networks.append(self._stepper.averaged.module)
            self._family.set_epoch_state(networks[1], self._epoch_state)
        evaluation, *others = [self._scores_of(network, stop) for network in networks]
        metrics, is_better = self._metrics(evaluation), False
        for other in others:
            metrics |= {f"averaged_{name}": value for name, value in self._metrics(other).items()}
            is_better = other.accuracy() > evaluation.accuracy()
        return others[0] if is_better else evaluation, metrics, is_better

    def _metrics(self, evaluation: Evaluation) -> dict[str, float]:
        return all_metrics(evaluation, self._config, fit_temperature(evaluation))

    def _scores_of(self, network: nn.Module, stop: StopRequest) -> Evaluation:
        """Return a network's scores of the validation clips; a request to stop ends the run between two batches."""
        share_buffers(network, self._process)
        return evaluate(
            network, self._valid, self._process, self._config, after_batch=lambda: self._stop_if_asked(stop)
        )

    def _checkpoint(self, done: dict[str, Any] | None = None) -> Checkpoint:
        """Return all there is to go on with; done: the figures of the epoch that has begun."""
        network, averaged = self._stepper.network, self._stepper.averaged
        training: dict[str, Any] = {
            **self._stepper.state_dict(),
            "rates": self._rates.state_dict(),
            "figures": self._figures,
            "done": done or {},
            "run": self._beginning.launch.run,
            **self._keeper.state(),
        }
        return Checkpoint(
            config=self._config,
            class_names=self._data.class_names,
            position=self._position,
            epoch_state=self._epoch_state,
            trained_on=self._trained_on,
            clip_s=self._clip_s,
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
        self._keeper.restore(checkpoint.training)
        self._figures, self._done = (checkpoint.training.get(name, {}) for name in ("figures", "done"))
        self._position, self._changes = checkpoint.position, checkpoint.changes
        self._epoch_state = checkpoint.epoch_state
        self._family.set_epoch_state(self._stepper.network, self._epoch_state)
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


def batch_generator(seed: int, epoch: int, place: int, rank: int) -> np.random.Generator:
    """Return what a batch draws from: it depends on where the run stands only, so that resuming is exact.

    Processes draw differently, or they would all drop the same units, read the same frames and mix in the same way.
    """
    return np.random.default_rng([seed, epoch, place, rank, 1])


def _groups(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    while group := list(islice(batches, size)):
        yield group
