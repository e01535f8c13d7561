"""Raw recordings -> a processed data set: what every `python -m preprocess.<data set>` does around its clips."""

import errno
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Generic

from preprocess.pipeline.dataset import AnyClipJob, ClipJob, Found
from preprocess.pipeline.options import RunOptions
from preprocess.pipeline.output import check_own, named_inside, named_write_errors, places_of
from preprocess.pipeline.parts import begin_part, finished_clips, join_parts
from preprocess.pipeline.process_engine import Engine, WorkerDied
from preprocess.pipeline.relisting import Relisting, relist, take_over
from preprocess.pipeline.resume import begin, to_keep, what_is_left
from preprocess.pipeline.summary import Halves, halves_of, print_summary, reasons_by_clip
from rgbd.clip.preparation import Preparation
from rgbd.dataset.folders import FolderStore
from rgbd.dataset.layouts import DatasetSpec
from rgbd.dataset.records import RECORDS_FILE, ClipRecord, Journal
from rgbd.dataset.run_info import EarlierSettings, RunInfo
from rgbd.dataset.shards import ShardStore
from rgbd.dataset.splits import SplitEntry, write_class_names, write_split
from rgbd.dataset.store import Store, WriteError
from rgbd.errors import UserError, reason_of
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
    if options.part is None:
        return _run(plan, options)
    part, out, found = options.part, options.out, plan.found
    done = set() if options.overwrite else finished_clips(out)
    jobs = [job for job in found.jobs if part.has(job.clip) and job.clip not in done]
    refused = [record for record in found.refused if part.has(record.clip)]
    if not jobs and not refused:
        say(f"part {part.number} of {part.count}: there is nothing to do")
        return 0
    mine = replace(plan, found=replace(found, jobs=jobs, refused=refused))
    code = _run(mine, replace(options, out=part.folder(out)), whole=out)
    say(f"part {part.number} of {part.count} has ended; when all have, the same command without --part joins them")
    return code


def _run(plan: Plan[AnyClipJob], options: RunOptions, whole: Path | None = None) -> int:
    """Make a data set, which is a part of the one at `whole` where that is not None."""
    out, layout, found = options.out, plan.layout, plan.found
    jobs, refused = named_inside(found.jobs, found.refused)
    chosen = {job.clip for job in _select(jobs, options)}
    places = places_of(layout, out, jobs)
    check_apart(places, found.inputs)
    with named_write_errors(out), locked(out / LOCK_FILE, out) as lock:
        if not (out / RECORDS_FILE).exists():
            check_own(out, places)
        journal = Journal(out / RECORDS_FILE)
        info = _run_info(plan, jobs, options)
        raw_before = begin(info, options, journal)
        if whole is None:
            join_parts(out, layout, info, journal)
        else:
            begin_part(whole, out)
        jobs = found.complete(jobs, options)
        store = _open_store(layout, options, journal, [job for job in jobs if job.clip in chosen])
        relisting = relist(found, jobs, refused, journal.records, raw_before, found.registrations(out))
        halves = halves_of(journal.records.values(), layout)
        write_lists = _ListWriter(out, layout, found.class_names, halves)
        try:
            take_over(relisting, journal, store, write_lists)
            for record in refused:
                journal.add(to_keep(journal.records.get(record.clip), record, store))
            todo = _jobs_left(relisting, chosen, journal, store, options)
            _do_clips(todo, len(chosen), _Worker(plan.work, store, lock), journal, options.engine)
        finally:
            store.close()
            journal.close()
            write_lists.splits(journal.records.values())
    meant = [record for record in journal.records.values() if record.splits or relisting.is_meant(record.clip)]
    return print_summary(meant, relisting.stale(meant), layout, out)


def _jobs_left(
    relisting: Relisting[AnyClipJob], chosen: Collection[str], journal: Journal, store: Store, options: RunOptions
) -> Sequence[AnyClipJob]:
    """Return what is left to do of the chosen clips; tells the user which finished ones are done again, and why."""
    stale = {clip: why for clip, why in relisting.stale(journal.records.values()).items() if clip in chosen}
    for line in reasons_by_clip(stale):
        say(f"is done again: {line}")
    jobs = [job for job in relisting.jobs.values() if job.clip in chosen]
    left = (
        what_is_left(job, journal.records.get(job.clip), store, options, is_stale=job.clip in stale) for job in jobs
    )
    return [job for job in left if job is not None]


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
    return {**job.identity._asdict(), "splits": dict(job.splits)}


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
        except WriteError as error:
            if error.errno in _FATAL_ERRORS:
                raise
            record = ClipRecord(clip=job.clip, status="failed", reason=f"cannot be written: {error}; rename the clip")
        except OSError as error:  # of what is read
            where = f"{error.filename}: " if error.filename else ""
            reason = f"{where}cannot be read ({reason_of(error)}); check its permissions and the disk"
            record = ClipRecord(clip=job.clip, status="failed", reason=reason)
        except Exception as error:
            # A defect of ours: it must not take the other clips' hours with it, nor pass unseen.
            record = ClipRecord(clip=job.clip, status="failed", reason=f"unexpected {type(error).__name__}: {error}")
        more: dict[str, Any] = {"seconds": round(time.perf_counter() - start, 3)}
        if record.status == "done":
            more["made_from"] = dict(job.made_from)
        return record.model_copy(update=_identity(job) | more)


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


@dataclass(frozen=True)
class _ListWriter:
    """Writes what training reads of a data set: the classes' names, and which clips there are."""

    out: Path
    layout: DatasetSpec
    class_names: Sequence[str]
    halves: Halves

    def __call__(self, records: Iterable[ClipRecord]) -> None:
        write_class_names(self.out, self.class_names)
        self.splits(records)

    def splits(self, records: Iterable[ClipRecord]) -> None:
        """Write every split file of every protocol that any clip belongs to, whatever run has made the clip.

        Those that an earlier run has written, `halves`, are written, too, when they have no clips any more.
        """
        done = sorted((record for record in records if record.status == "done"), key=lambda record: record.clip)
        halves = halves_of(done, self.layout)
        for protocol in dict.fromkeys([*halves, *self.halves]):
            order = self.layout.label_order(protocol, self.class_names)
            places = {label: place for place, label in enumerate(order)}
            for split in dict.fromkeys([*halves.get(protocol, ()), *self.halves.get(protocol, ())]):
                entries = [
                    SplitEntry(record.clip, record.num_frames, places.get(record.label or 0, record.label or 0))
                    for record in done
                    if record.splits.get(protocol) == split
                ]
                write_split(self.layout.split_file(self.out, split, protocol), entries, self.layout)
