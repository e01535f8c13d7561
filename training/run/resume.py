"""What a run begins with: nothing, or a checkpoint, and whether that is the same run's."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from rgbd.errors import UserError
from rgbd.files import atomic_file
from training.config.loading import config_yaml
from training.config.schema import TrainingConfig
from training.data.identity import identity_of
from training.run.checkpoint import Checkpoint, CheckpointError, load_checkpoint
from training.run.checkpoint_files import REPORT_FILE, Keeper
from training.run.distributed import Process, gather
from training.run.folder import CONFIG_FILE, Launch, agents_here, read_launch, remove_run, results_of, write_launch

# Settings that a resumed run may change; with all others equal it ends as if it had never stopped.
_MAY_CHANGE = {"out", "keep", "data.root", "data.num_workers", "data.eval_batch_size", "schedule.evaluate_every"}
# It ends otherwise after a change of these, as it is meant to; the checkpoint says when that was.
_RECORDED = {"schedule.epochs", "optimizer.lr", "optimizer.min_lr"}


@dataclass(frozen=True)
class Beginning:
    """What a run begins with.

    `launch` says which run it is. Without a `checkpoint` it is new. `named` is the file that the user has named, which
    the run goes on from as it is, whatever else is in its folder.
    """

    launch: Launch
    checkpoint: Checkpoint | None = None
    named: Path | None = None


def find_beginning(config: TrainingConfig, resume: str | None, *, overwrite: bool, process: Process) -> Beginning:
    """Return what the run in `config.out` begins with; `resume` is "auto", a file or None.

    Processes that torchrun has started again go on with the run that they have begun before, and with nothing else; if
    that has saved nothing, they begin it again as it was begun. Raises `UserError` where the folder holds another run.
    """
    out, last = config.out, config.out / "last.pt"
    agents, before = agents_here(process), read_launch(out)
    if before is not None and before.agents & agents and last.exists():
        checkpoint = _load_resumable(config, last)
        if checkpoint.training.get("run") == before.run:
            return Beginning(Launch(run=before.run, agents=agents), checkpoint)
    new = Launch(run=gather(uuid4().hex, process)[0], agents=agents)
    results = results_of(out)
    weights = [path for path in results if path.suffix == ".pt"]
    if resume not in (None, "auto"):
        path = Path(str(resume))
        if weights and path.resolve().parent != out.resolve():
            raise UserError(f"{out}: holds another run than {path}; name another out to go on there")
        return Beginning(new, _load_resumable(config, path), path)
    if resume == "auto" and last.exists():
        checkpoint = _load_resumable(config, last)
        return Beginning(Launch(run=checkpoint.training.get("run", new.run), agents=agents), checkpoint)
    if resume == "auto" and weights and not overwrite:
        raise UserError(f"{out}: holds {weights[0].name}, and no last.pt to go on from; --resume that, or --overwrite")
    if resume is None and results and not overwrite:
        raise UserError(
            f"{out}: holds a run ({results[0].name}); go on with --resume auto, or name another out, or --overwrite it"
        )
    return Beginning(new)


def take_over(config: TrainingConfig, beginning: Beginning, keeper: Keeper) -> list[str]:
    """Have the folder hold this run, and all checkpoint files in it agree with where it stands; return what did not.

    Raises `CheckpointError` where the best weights are lost.
    """
    out, notes = config.out, list[str]()
    write_launch(out, beginning.launch)  # first: from here on, processes that are started again know the run
    if beginning.checkpoint is None:
        remove_run(out)
        changes: tuple[str, ...] = ()
    else:
        changes, others = beginning.checkpoint.changes, []
        if beginning.named is not None:
            others = [beginning.named, beginning.named.with_name("best.pt")]
            last = load_checkpoint(beginning.named)  # as it is: of the other the changes from here on are noted already
            last.training["run"] = beginning.launch.run
            keeper.save(last)
            keeper.drop_previous()  # of whatever run that is
        notes = keeper.reconcile(beginning.checkpoint, others, may_lose=beginning.named is not None)
        if beginning.checkpoint.position.epoch < config.schedule.epochs:
            (out / REPORT_FILE).unlink(missing_ok=True)  # it is about fewer epochs than there are soon
    with atomic_file(out / CONFIG_FILE) as temporary:
        temporary.write_text(config_yaml(config, changes), encoding="utf-8")
    return notes


def _load_resumable(config: TrainingConfig, path: Path) -> Checkpoint:
    """Return the checkpoint to go on from; its `changes` are what the run has changed on going on, up to now.

    Raises `CheckpointError` where it is of another configuration, or was trained on other data.
    """
    checkpoint = load_checkpoint(path)
    differences = list(_differences(checkpoint.config.model_dump(), config.model_dump()))
    changed = [
        f"{key} was {before!r}, is {now!r}"
        for key, before, now in differences
        if key not in _MAY_CHANGE | _RECORDED and key.split(".")[0] not in _MAY_CHANGE
    ]
    if changed:
        raise CheckpointError(
            f"{path}: belongs to another configuration ({'; '.join(changed)}); use that one, or start.checkpoint to "
            "begin a new run with its weights"
        )
    if other := checkpoint.data.differences(identity_of(config.data)):
        raise CheckpointError(
            f"{path}: was trained on another data set than {config.data.root} is now, which has {'; '.join(other)}; "
            "give it as it was, or use start.checkpoint to begin a new run with its weights"
        )
    if not checkpoint.training:
        raise CheckpointError(f"{path}: has weights only; name it as start.checkpoint to begin a new run with them")
    step = checkpoint.position.step
    new = [f"after step {step}: {key} {before!r} -> {now!r}" for key, before, now in differences if key in _RECORDED]
    return checkpoint.model_copy(update={"changes": (*checkpoint.changes, *new)})


def _differences(before: Any, now: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    if not isinstance(before, dict) or not isinstance(now, dict):
        if before != now:
            yield prefix, before, now
        return
    for key in before:
        yield from _differences(before[key], now[key], f"{prefix}.{key}" if prefix else key)
