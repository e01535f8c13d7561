"""Which checkpoint a run goes on from, and whether it is the same run's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.config.schema import TrainingConfig
from training.data.identity import identity_of
from training.run.checkpoint import Checkpoint, CheckpointError, load_checkpoint

# Settings that a resumed run may change; with all others equal it ends as if it had never stopped.
_MAY_CHANGE = {"out", "keep", "data.root", "data.num_workers", "data.eval_batch_size", "schedule.evaluate_every"}
# It ends otherwise after a change of these, as it is meant to; the checkpoint says when that was.
_RECORDED = {"schedule.epochs", "optimizer.lr", "optimizer.min_lr"}


def find_resumable(config: TrainingConfig, path: Path | None) -> Checkpoint | None:
    """Return the checkpoint to go on from: `path`, or, if None, the run's last.pt, if there is one.

    Its `changes` are what the run has changed on going on, up to now. Raises `CheckpointError` where it is of another
    configuration, or was trained on other data.
    """
    last = path or config.out / "last.pt"
    if path is None and not last.exists():
        return None
    checkpoint = load_checkpoint(last)
    differences = list(_differences(checkpoint.config.model_dump(), config.model_dump()))
    changed = [
        f"{key} was {before!r}, is {now!r}"
        for key, before, now in differences
        if key not in _MAY_CHANGE | _RECORDED and key.split(".")[0] not in _MAY_CHANGE
    ]
    if changed:
        raise CheckpointError(
            f"{last}: belongs to another configuration ({'; '.join(changed)}); use that one, or start.checkpoint to "
            "begin a new run with its weights"
        )
    if other := checkpoint.data.differences(identity_of(config.data)):
        raise CheckpointError(
            f"{last}: was trained on another data set than {config.data.root} is now, which has {'; '.join(other)}; "
            "give it as it was, or use start.checkpoint to begin a new run with its weights"
        )
    if not checkpoint.training:
        raise CheckpointError(f"{last}: has weights only; name it as start.checkpoint to begin a new run with them")
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
