"""Raw recordings -> a processed data set: what every `python -m preprocess.<data set>` does around its clips."""

import errno
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Generic

from preprocess.pipeline.dataset import AnyClipJob, ClipJob, Found
from preprocess.pipeline.options import RunOptions
from preprocess.pipeline.output import check_own, named_inside, named_write_errors, places_of
from preprocess.pipeline.process_engine import Engine, WorkerDied
from preprocess.pipeline.resume import begin, to_keep, what_is_left
from preprocess.pipeline.summary import halves_of, print_summary
from rgbd.clip.preparation import Preparation
from rgbd.dataset.folders import FolderStore
from rgbd.dataset.layouts import DatasetSpec
from rgbd.dataset.records import RECORDS_FILE, ClipRecord, Journal
from rgbd.dataset.run_info import EarlierSettings, RunInfo
from rgbd.dataset.shards import ShardStore
from rgbd.dataset.splits import SplitEntry, write_class_names, write_split
from rgbd.dataset.store import Store
from rgbd.errors import UserError
from rgbd.files import remove_leftovers
from rgbd.locks import LOCK_FILE, Lock, locked
from rgbd.overlap import check_apart
from rgbd.terminal import progress_bar, say
from rgbd.types import in_order

# Nothing that is wrong with one clip: the next would fail in the same way.
_FATAL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


@dataclass(frozen=True)
class Plan(Generic[AnyClipJob]):
    """What there is to do, and how a clip of it is done: `work` writes it through the store and returns its record."""

    layout: DatasetSpec
    found: Found[AnyClipJob]
    preparation: Preparation | None
    settings: EarlierSettings | None
    work: Callable[[AnyClipJob, Store], ClipRecord]


def run_plan(plan: Plan[AnyClipJob], options: RunOptions) -> int:
    """Do all clips that are not done yet; write records, split files and class names; return the exit code.

    Exit code: 0, or 1 when any clip of the data set failed. Raises `UserError` when nothing can be done, or nothing
    more: the disk is full, a folder is not to be written to, or another process does.
    """
    out, layout = options.out, plan.layout
    jobs, refused = named_inside(plan.found.jobs, plan.found.refused)
    chosen = _select(jobs, options)
    places = places_of(layout, out, jobs)
    check_apart(places, plan.found.inputs)
    with named_write_errors(out), locked(out / LOCK_FILE, out) as lock:
        if not (out / RECORDS_FILE).exists():
            check_own(out, places)
        journal = Journal(out / RECORDS_FILE)
        begin(_run_info(plan, jobs, options), options, journal)
        chosen = plan.found.complete(chosen, options)
        store = _open_store(layout, options, journal, chosen)
        write_class_names(out, plan.found.class_names)
        try:
            for record in refused:
                journal.add(to_keep(journal.records.get(record.clip), record, store))
            todo = [job for job in (what_is_left(job, journal, store, options) for job in chosen) if job]
            _do_clips(todo, len(chosen), _Worker(plan.work, store, lock), journal, options.engine)
        finally:
            store.close()
            journal.close()
            _write_splits(out, layout, journal.records.values())
    return print_summary(journal.records.values(), layout, out)


def _run_info(plan: Plan[AnyClipJob], jobs: Sequence[AnyClipJob], options: RunOptions) -> RunInfo:
    # A sample of a tar file has all of its streams at once: one that is added later would be another sample.
    streams = in_order({stream for job in jobs for stream in job.streams})
    return RunInfo(
        dataset=plan.layout.name,
        raw=str(plan.found.raw.resolve()),
        format=options.format,
        streams=streams if options.format == "shards" else None,
        preparation=plan.preparation and plan.preparation.model_copy(update={"streams": streams}),
        settings=plan.settings,
    )


def _do_clips(
    todo: Sequence[AnyClipJob], num_chosen: int, worker: "_Worker[AnyClipJob]", journal: Journal, engine: Engine
) -> None:
    redone: list[str] = []
    with progress_bar() as progress:
        task = progress.add_task("processing clips", total=num_chosen, completed=num_chosen - len(todo))
        for index, result in engine.run(worker, todo):
            job = todo[index]
            record = _died(job) if isinstance(result, WorkerDied) else result
            journal.add(to_keep(journal.records.get(job.clip), record, worker.store))
            redone += [job.clip] * (set(record.streams) > set(job.streams))
            progress.advance(task)
    if redone:
        say(
            f"{len(redone)} clips, such as {redone[0]}, were done again in all streams: what was written of them shows "
            "another part of the recording than it does beside the stream that was added"
        )


def _died(job: ClipJob) -> ClipRecord:
    reason = "the process that worked on it was killed twice, for want of memory or by a broken file; try fewer --jobs"
    return ClipRecord(clip=job.clip, status="failed", reason=reason, **_identity(job))


def _identity(job: ClipJob) -> dict[str, Any]:
    return {"label": job.label, "splits": dict(job.splits), "camera": job.camera}


@dataclass(frozen=True)
class _Worker(Generic[AnyClipJob]):
    """What runs in a worker process: one clip, its failure caught."""

    process: Callable[[AnyClipJob, Store], ClipRecord]
    store: Store
    lock: Lock

    def __call__(self, job: AnyClipJob) -> ClipRecord:
        with self.lock.shared():  # on another machine of a cluster, say, a worker may outlive who leads the run
            return self._record_of(job)

    def _record_of(self, job: AnyClipJob) -> ClipRecord:
        start = time.perf_counter()
        try:
            record = self.process(job, self.store)
        except UserError as error:
            record = ClipRecord(clip=job.clip, status="failed", reason=str(error))
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _FATAL_ERRORS:
                raise
            # A defect of ours: it must not take the other clips' hours with it, nor pass unseen.
            record = ClipRecord(clip=job.clip, status="failed", reason=f"unexpected {type(error).__name__}: {error}")
        return record.model_copy(update=_identity(job) | {"seconds": round(time.perf_counter() - start, 3)})


def _select(jobs: Sequence[AnyClipJob], options: RunOptions) -> Sequence[AnyClipJob]:
    if options.splits_only:
        return []
    chosen = [job for job in jobs if options.only is None or fnmatchcase(job.clip, options.only)]
    if not chosen and jobs:
        raise UserError(f"--only {options.only}: matches none of {len(jobs)} clips, such as {jobs[0].clip}")
    return chosen[: options.limit]


def _open_store(spec: DatasetSpec, options: RunOptions, journal: Journal, jobs: Sequence[ClipJob]) -> Store:
    if options.format == "shards":
        return ShardStore(options.out, spec, journal.records)
    folders = {spec.frame_path(options.out, stream, job.clip, 0).parent for job in jobs for stream in job.streams}
    for parent in {folder.parent for folder in folders}:
        remove_leftovers(parent)
    return FolderStore(options.out, spec)


def _write_splits(out: Path, spec: DatasetSpec, records: Iterable[ClipRecord]) -> None:
    """Write every split file of every protocol that any clip belongs to, whatever run has made the clip."""
    done = sorted((record for record in records if record.status == "done"), key=lambda record: record.clip)
    for protocol, splits in halves_of(done, spec).items():
        for split in splits:
            entries = [
                SplitEntry(record.clip, record.num_frames, record.label or 0)
                for record in done
                if record.splits.get(protocol) == split
            ]
            write_split(spec.split_file(out, split, protocol), entries, spec)
