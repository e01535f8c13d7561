"""A run goes on where an earlier one has ended: what is left to do, and what is kept of what was done."""

from dataclasses import replace
from pathlib import Path

from preprocess.pipeline.dataset import AnyClipJob
from preprocess.pipeline.options import RunOptions
from preprocess.pipeline.sources import change_of
from rgbd.camera.registration import Registration
from rgbd.dataset.records import ClipRecord, Journal
from rgbd.dataset.run_info import RUN_FILE, RunInfo, made_otherwise, read_run_info
from rgbd.dataset.store import Store
from rgbd.files import atomic_file
from rgbd.terminal import say
from rgbd.types import in_order


def what_is_left(
    job: AnyClipJob, record: ClipRecord | None, store: Store, options: RunOptions, *, is_stale: bool
) -> AnyClipJob | None:
    """Return the job, less the streams that an earlier run has written; None if that is all of them.

    A finished clip that `is_stale` would come out otherwise now: all that there is of it is done again.
    """
    if record is None or not record.is_finished or not store.holds(record):
        return job
    if is_stale:
        streams = in_order({*job.streams, *(name for name in record.streams if name in job.made_from)})
        return _beside(record, replace(job, streams=streams))
    if options.overwrite or record.is_to_do:
        return _beside(record, job)
    missing = tuple(stream for stream in job.streams if stream not in record.streams)
    return _beside(record, replace(job, streams=missing)) if missing else None


def _beside(record: ClipRecord, job: AnyClipJob) -> AnyClipJob:
    """Return the job, with the record of the finished streams that stay where only the others are done."""
    stays = record.outdated is None and not set(record.streams) <= set(job.streams)
    return replace(job, before=record) if stays else job


def _finished(record: ClipRecord | None, store: Store) -> ClipRecord | None:
    return record if record is not None and record.is_finished and store.holds(record) else None


def to_keep(before: ClipRecord | None, now: ClipRecord, store: Store) -> ClipRecord:
    """Return what to keep of a clip after an attempt: of one that failed, what an earlier one has finished."""
    kept = _finished(before, store)
    if now.status == "done":
        return store.collect(_united(kept, now), now.streams)
    return now if kept is None else kept.failed_again(now)


def _united(before: ClipRecord | None, now: ClipRecord) -> ClipRecord:
    """Return the record of a clip of which an earlier run may have written another stream."""
    if before is None or before.outdated is not None or set(before.streams) <= set(now.streams):
        return now
    if change_of(before, now.made_from) or (
        Registration.is_guess(before.registration) and now.registration == "joints"
    ):
        return now  # what is there of the other stream does not fit it any more
    known = {name: value for name, value in before if value is not None and name != "last_failure"} | {
        name: value for name, value in now if value is not None
    }
    united = {
        "streams": in_order({*before.streams, *now.streams}),
        "num_frames": min(before.num_frames, now.num_frames),
        "warnings": tuple(dict.fromkeys((*before.warnings, *now.warnings))),
        "seconds": before.seconds + now.seconds,
        "made_from": {
            name: file
            for name, file in now.made_from.items()
            if name in before.made_from or name in now.streams or name not in before.streams
        },
    }
    return ClipRecord.model_validate(known | united)


def begin(info: RunInfo, options: RunOptions, journal: Journal) -> Path:
    """Write `preprocess.json`; return where the recordings lay in the run before, or lie where this is the first.

    Raises `DatasetError` where an earlier run has made the data set in another way.

    With --overwrite, the preparation may change; what it has changed for is outdated until it is done again, however
    often that is interrupted.
    """
    out, raw = options.out, info.raw
    does_all_again = options.overwrite and not options.is_partial
    if (out / RUN_FILE).exists():
        before = read_run_info(out)
        raw = before.raw
        changed = before.changed(info, "dataset", "format", "streams")
        prepared = before.differences(info)
        if changed or (prepared and not does_all_again):
            remedy = "run with the same options, or name another --out"
            if not changed:
                remedy += ", or do all of it again: --overwrite, without --only, --limit and --splits-only"
            raise made_otherwise(out, changed | prepared, remedy)
        if prepared:
            journal.outdate(before.prepared_as)
        if not does_all_again:
            info = _going_on(before, info, out)
    with atomic_file(out / RUN_FILE) as temporary:
        temporary.write_text(info.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8")
    return Path(raw)


def _going_on(before: RunInfo, info: RunInfo, out: Path) -> RunInfo:
    """Return the run's facts where a data set is added to that was made in the same way."""
    if before.preparation is None or info.preparation is None:
        if before.settings is not None and info.preparation is not None:
            say(
                f"{out}: was begun by an earlier version, so it does not say how recordings were prepared; --overwrite "
                "does all of it again, and says so"
            )
        return info.model_copy(update={"preparation": before.preparation, "settings": before.settings})
    mutual = before.preparation.has_mutual_actions or info.preparation.has_mutual_actions
    streams = in_order({*before.preparation.streams, *info.preparation.streams})
    update = {"streams": streams, "has_mutual_actions": mutual}
    return info.model_copy(update={"preparation": info.preparation.model_copy(update=update)})
