"""What the list, or the recordings' names, say of clips now: taken over into the records of those that are done."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic

from preprocess.pipeline.background import CLIP_PREFIX
from preprocess.pipeline.dataset import AnyClipJob, Found, Identity
from preprocess.pipeline.sources import change_of, moved
from rgbd.camera.registration import Registration
from rgbd.dataset.records import ClipRecord, Journal
from rgbd.dataset.store import Store
from rgbd.terminal import say

_NUM_NAMED = 3  # clips that a message names


@dataclass(frozen=True)
class Relisting(Generic[AnyClipJob]):
    """What is found now.

    jobs: by clip. named: the clips that there are, those that cannot be tried included. identities: what is said of
    them, and by their names of others. by_list: whether a list says it, so that clips that it does not name are not
    meant any more. raw, raw_before: where recordings lie, and lay when the run before looked for them. cameras: the
    registrations that are known.
    """

    jobs: Mapping[str, AnyClipJob]
    named: Collection[str]
    identities: Mapping[str, Identity]
    by_list: bool
    raw: Path
    raw_before: Path
    cameras: Mapping[str, Registration]

    def is_meant(self, clip: str) -> bool:
        """Return whether a clip is still one of the data set; its recording may lie elsewhere by now."""
        return clip in self.named or not (self.by_list or self.raw == self.raw_before)

    def amended(self, record: ClipRecord) -> ClipRecord:
        """Return a record that says what is said of its clip now; the same one where it does already."""
        said, job = self.identities.get(record.clip), self.jobs.get(record.clip)
        update: dict[str, Any] = {"label": None, "splits": {}}
        if said is not None:
            update = {"label": said.label, "splits": dict(said.splits), "camera": said.camera}
        if job is not None and self.raw != self.raw_before:
            update["made_from"] = moved(record, job.made_from, self.raw_before, self.raw)
        if not self.is_meant(record.clip):
            update["last_failure"] = None  # it is not tried any more
        is_new = any(getattr(record, name) != value for name, value in update.items())
        return record.model_copy(update=update) if is_new else record

    def stale(self, records: Iterable[ClipRecord]) -> dict[str, str]:
        """Return {clip: why it would come out otherwise now, in words} of clips that are done, and meant."""
        stale = {}
        for record in records:
            job = self.jobs.get(record.clip)
            why = change_of(record, job.made_from) if job is not None else None
            if why is None and Registration.is_guess(record.registration) and record.camera in self.cameras:
                why = f"depth was laid over colour by guess, and the registration of {record.camera} is known by now"
            if why is not None and record.status == "done" and record.splits:
                stale[record.clip] = why
        return stale


def relist(
    found: Found[AnyClipJob],
    jobs: Sequence[AnyClipJob],
    refused: Sequence[ClipRecord],
    records: Mapping[str, ClipRecord],
    raw_before: Path,
    cameras: Mapping[str, Registration],
) -> Relisting[AnyClipJob]:
    """Return what is found now, and said of the clips that are recorded."""
    named = {job.clip for job in jobs} | {record.clip for record in refused}
    if found.identify is None:
        said = {job.clip: job.identity for job in jobs} | {
            record.clip: Identity(record.label, record.splits, record.camera)
            for record in refused
            if record.label is not None and record.splits
        }
    else:
        done = {clip for clip, record in records.items() if record.status == "done"}
        said = dict(found.identify(named | done))
        jobs = [replace(job, **said[job.clip]._asdict()) for job in jobs]
    return Relisting(
        jobs={job.clip: job for job in jobs},
        named=named,
        identities=said,
        by_list=found.identify is None,
        raw=found.raw.resolve(),
        raw_before=raw_before,
        cameras=cameras,
    )


def take_over(
    relisting: Relisting[AnyClipJob],
    journal: Journal,
    store: Store,
    write_lists: Callable[[Iterable[ClipRecord]], None],
) -> None:
    """Have records, and what is written from them, say what is said of their clips now; tell the user of it.

    `write_lists` writes what training reads. Records come last: a run that is killed before does all of it again.
    """
    gone = [
        clip for clip, record in journal.records.items() if record.status == "failed" and not relisting.is_meant(clip)
    ]
    changed: dict[str, ClipRecord] = {}
    renamed = []
    for clip, before in list(journal.records.items()):
        record = relisting.amended(before)
        if before.status == "done" and (before.label, before.splits) != (record.label, record.splits):
            record = store.relabel(record)
            if record.shard != before.shard:
                journal.add(record)
            if before.splits and record.splits:
                renamed.append(clip)
        if record is not before:
            changed[clip] = record
    _tell(relisting, journal.records.values(), renamed, gone)
    write_lists(record for clip, record in (journal.records | changed).items() if clip not in gone)
    journal.amend({clip: record for clip, record in changed.items() if clip not in gone}, gone)


def _tell(
    relisting: Relisting[AnyClipJob], records: Iterable[ClipRecord], renamed: Sequence[str], gone: Sequence[str]
) -> None:
    done = [record for record in records if record.status == "done"]
    left_out = [
        record.clip for record in done if not (record.clip in relisting.named or record.clip in relisting.identities)
    ]
    if renamed:
        say(f"{some(renamed)}: finished earlier, another label or split now; records and split files are corrected")
    if left_out:
        of_background = any(clip.startswith(CLIP_PREFIX) for clip in left_out)
        option = f"; those called {CLIP_PREFIX}* are listed by --background" if of_background else ""
        say(
            f"{some(left_out)}: finished earlier, not in the list any more, and so in no split file; their frames are "
            f"kept, so that listing them again brings them back{option}"
        )
    if gone:
        say(f"{some(gone)}: failed earlier, not there any more; their records are removed")
    if relisting.by_list:
        silent = [record.clip for record in done if record.clip in relisting.jobs and not record.made_from]
        if silent and any(relisting.jobs[clip].made_from for clip in silent):
            say(
                f"{some(silent)}: finished by an earlier version, which did not write down what it read, so that it "
                "cannot be compared with the list; --overwrite does them again, and writes it down"
            )


def some(clips: Sequence[str]) -> str:
    """Return how many clips there are, and the names of the first."""
    names = ", ".join(clips[:_NUM_NAMED])
    more = f" and {len(clips) - _NUM_NAMED} more" if len(clips) > _NUM_NAMED else ""
    return f"{len(clips)} clip{'s' if len(clips) > 1 else ''} ({names}{more})"
