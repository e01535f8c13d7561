"""Raw recordings -> a processed data set: what every `python -m preprocess.<data set>` does around its clips."""

import errno
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Generic, TypeVar

from preprocess.pipeline.processes import Engine, WorkerDied
from preprocess.pipeline.summary import halves_of, print_summary
from rgbd.camera.registration import REGISTRATION_FILE
from rgbd.dataset.folders import FolderStore
from rgbd.dataset.layouts import DatasetSpec, Split
from rgbd.dataset.records import RECORDS_FILE, ClipRecord, Journal
from rgbd.dataset.run_info import RUN_FILE, RunInfo, read_run_info
from rgbd.dataset.shards import SHARDS_FOLDER, ShardStore
from rgbd.dataset.splits import CLASS_NAMES_FILE, SplitEntry, write_class_names, write_split
from rgbd.dataset.store import Format, Store
from rgbd.errors import DatasetError, UserError, reason_of
from rgbd.files import atomic_file, remove_leftovers
from rgbd.locks import LOCK_FILE, Lock, locked
from rgbd.overlap import check_apart
from rgbd.terminal import progress_bar
from rgbd.types import Stream

# Nothing that is wrong with one clip: the next would fail alike.
_FATAL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


@dataclass(frozen=True)
class ClipJob:
    """What a worker needs to know of one clip. Data sets derive their own from it.

    `streams` are those to write; `splits` is {protocol: half}; `camera` names what one registration holds for.
    """

    clip: str
    label: int
    splits: Mapping[str, Split]
    camera: str | None
    streams: tuple[Stream, ...]


AnyClipJob = TypeVar("AnyClipJob", bound=ClipJob)


@dataclass(frozen=True)
class RunOptions:
    """What all data sets' commands share; `preprocess.pipeline.options` says what each means."""

    out: Path
    engine: Engine
    format: Format
    limit: int | None
    only: str | None
    overwrite: bool
    splits_only: bool

    @property
    def is_partial(self) -> bool:
        """Whether clips are left out that could be done."""
        return self.splits_only or self.only is not None or self.limit is not None


def run_dataset(
    spec: DatasetSpec,
    info: RunInfo,
    class_names: Sequence[str],
    jobs: Sequence[AnyClipJob],
    process: Callable[[AnyClipJob, Store], ClipRecord],
    options: RunOptions,
    *,
    inputs: Iterable[Path],
    refused: Sequence[ClipRecord] = (),
    complete: Callable[[Sequence[AnyClipJob]], Sequence[AnyClipJob]] = lambda jobs: jobs,
) -> int:
    """Do all clips that are not done yet; write records, split files and class names; return the exit code.

    `process` writes one clip through the store and returns its record; `refused` are records of clips that no job could
    be made of; `inputs` is all that is read. `complete` adds to the chosen jobs what can only be known when the output
    folder is this process's own. Exit code: 0, or 1 when any clip of the data set failed. Raises `UserError` when
    nothing can be done, or nothing more: the disk is full, a folder is not to be written to, or another process does.
    """
    out = options.out
    jobs, refused = _named_inside(jobs, refused)
    chosen = _select(jobs, options)
    places = places_of(spec, out, jobs)
    check_apart(places, inputs)
    if options.format == "shards":
        # A sample has all of its streams at once: one that is added later would be a second sample of the same clip.
        streams = dict.fromkeys(stream for job in jobs for stream in job.streams)
        info = info.model_copy(update={"settings": info.settings | {"streams": " ".join(streams)}})
    with named_write_errors(out), locked(out / LOCK_FILE, out) as lock:
        if not (out / RECORDS_FILE).exists():
            _check_own(out, places)
        journal = Journal(out / RECORDS_FILE)
        _begin(info, options, journal)
        chosen = complete(chosen)
        store = _open_store(spec, options, journal, chosen)
        write_class_names(out, class_names)
        try:
            for record in refused:
                journal.add(_to_keep(journal.records.get(record.clip), record, store))
            todo = [job for job in (_what_is_left(job, journal, store, options) for job in chosen) if job]
            _do_clips(todo, len(chosen), _Worker(process, store, lock), journal, options.engine)
        finally:
            store.close()
            journal.close()
            _write_splits(out, spec, journal.records.values())
    return print_summary(journal.records.values(), spec, out)


def _named_inside(
    jobs: Sequence[AnyClipJob], refused: Sequence[ClipRecord]
) -> tuple[Sequence[AnyClipJob], Sequence[ClipRecord]]:
    """Return the jobs but for those whose clips' names, which become folders, lead elsewhere; these are refused."""
    outside = {job.clip for job in jobs if _leads_elsewhere(job.clip)}
    reason = "its name leads out of the data set; rename it"
    more = [ClipRecord(clip=clip, status="failed", reason=reason) for clip in sorted(outside)]
    return [job for job in jobs if job.clip not in outside], [*refused, *more]


def _leads_elsewhere(clip: str) -> bool:
    return not clip or clip.startswith("/") or any(part in ("", ".", "..") for part in clip.split("/"))


def places_of(spec: DatasetSpec, root: Path, clips: Iterable[ClipJob | ClipRecord]) -> list[Path]:
    """Return the files and folders directly below `root` that a processed data set of these clips takes up.

    Where somebody has replaced a clip's folder in it by a link, that is named as well.
    """
    folders = {spec.frame_path(root, stream, clip.clip, 0).parent for clip in clips for stream in clip.streams}
    links = {path for path in folders | {folder.parent for folder in folders} if path != root and path.is_symlink()}
    folders.add(spec.split_file(root, "train", "").parent)
    names = sorted({path.relative_to(root).parts[0] for path in folders})
    names += [SHARDS_FOLDER, RUN_FILE, RECORDS_FILE, CLASS_NAMES_FILE, REGISTRATION_FILE, LOCK_FILE]
    return [*(root / name for name in names), *sorted(links)]


def _check_own(out: Path, places: Iterable[Path]) -> None:
    """Raise `DatasetError` where a folder without records holds what would be written, or shards."""
    if not (out / RUN_FILE).exists():
        there = [path for path in places if path.name != LOCK_FILE and path.exists()]
    else:  # folders of clips can be written again; what lies in shards is known by the records alone
        there = list((out / SHARDS_FOLDER).glob("*.tar"))
    if there:
        raise DatasetError(
            f"{there[0]}: is there, and {out} has no {RECORDS_FILE} that says what of it preprocessing has made; put "
            "that back, or name another --out"
        )


def _do_clips(
    todo: Sequence[AnyClipJob], num_chosen: int, worker: "_Worker[AnyClipJob]", journal: Journal, engine: Engine
) -> None:
    with progress_bar() as progress:
        task = progress.add_task("processing clips", total=num_chosen, completed=num_chosen - len(todo))
        for index, result in engine.run(worker, todo):
            job = todo[index]
            record = _died(job) if isinstance(result, WorkerDied) else result
            journal.add(_to_keep(journal.records.get(job.clip), record, worker.store))
            progress.advance(task)


def _what_is_left(job: AnyClipJob, journal: Journal, store: Store, options: RunOptions) -> AnyClipJob | None:
    """Return the job, less the streams that an earlier run has written; None if that is all of them."""
    record = journal.records.get(job.clip)
    if options.overwrite or record is None or record.is_to_do or not store.holds(record):
        return job
    missing = tuple(stream for stream in job.streams if stream not in record.streams)
    return replace(job, streams=missing) if missing else None


def _to_keep(before: ClipRecord | None, now: ClipRecord, store: Store) -> ClipRecord:
    """Return what to keep of a clip after an attempt: of one that failed, what an earlier one has finished."""
    kept = before if before is not None and before.is_finished and store.holds(before) else None
    if now.status == "done":
        return store.collect(_united(kept, now), now.streams)
    return now if kept is None else kept.model_copy(update={"last_failure": now.reason})


def _united(before: ClipRecord | None, now: ClipRecord) -> ClipRecord:
    """Return the record of a clip of which an earlier run may have written another stream."""
    if before is None or before.outdated is not None or set(before.streams) <= set(now.streams):
        return now
    known = {name: value for name, value in before if value is not None and name != "last_failure"} | {
        name: value for name, value in now if value is not None
    }
    united = {
        "streams": tuple(sorted({*before.streams, *now.streams}, reverse=True)),
        "num_frames": min(before.num_frames, now.num_frames),
        "warnings": tuple(dict.fromkeys((*before.warnings, *now.warnings))),
        "seconds": before.seconds + now.seconds,
    }
    return ClipRecord.model_validate(known | united)


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


def _begin(info: RunInfo, options: RunOptions, journal: Journal) -> None:
    """Write `preprocess.json`; raises `DatasetError` where an earlier run has made the data set in another way.

    With --overwrite, settings may change; what they have changed for is outdated until it is done again, however often
    that is interrupted.
    """
    out = options.out
    if (out / RUN_FILE).exists():
        before = read_run_info(out)
        changed = [name for name, value in info if name != "raw" and value != getattr(before, name)]
        if changed and not (changed == ["settings"] and options.overwrite and not options.is_partial):
            was, now = ({name: getattr(made, name) for name in changed} for made in (before, info))
            remedy = "run with the same options, or name another --out"
            if changed == ["settings"]:
                remedy += ", or do all of it again: --overwrite, without --only, --limit and --splits-only"
            raise DatasetError(f"{out}: was made with {was}, not with {now}; {remedy}")
        if changed:
            journal.outdate(before.settings)
    with atomic_file(out / RUN_FILE) as temporary:
        temporary.write_text(info.model_dump_json(indent=2) + "\n", encoding="utf-8")


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


@contextmanager
def named_write_errors(out: Path) -> Iterator[None]:
    """Turn errors of the file system into what a user can mend."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = "make room" if full else "mend that"
        raise UserError(
            f"--out {out}: cannot be written ({reason_of(error)}); {remedy} and run the same command again: finished "
            "clips are kept"
        ) from error
