"""What a run prints when it has ended: counts, what went wrong, what is worth a look."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import get_args

from rgbd.dataset.layouts import DatasetSpec, Split
from rgbd.dataset.records import RECORDS_FILE, ClipRecord
from rgbd.terminal import say

_MAX_FAILURES = 30  # more do not help on a terminal; the records have them all

Halves = Mapping[str, tuple[Split, ...]]
"""{protocol: its halves}"""


def halves_of(records: Collection[ClipRecord], spec: DatasetSpec) -> Halves:
    """Return {protocol: its halves} of all protocols that any record belongs to; train and valid are always there."""
    listed = {(protocol, split) for record in records for protocol, split in record.splits.items()}
    return {
        protocol: tuple(
            split
            for split in get_args(Split)
            if split != "test" or split in spec.counts.get(protocol, {}) or (protocol, split) in listed
        )
        for protocol in dict.fromkeys(protocol for record in records for protocol in record.splits)
    }


def print_summary(records: Collection[ClipRecord], stale: Mapping[str, str], spec: DatasetSpec, out: Path) -> int:
    """Print what became of all clips of a data set and return the exit code: 1 when any could not be done (again).

    `stale` are those that would come out otherwise now, and why.
    """
    done = [record for record in records if record.status == "done"]
    warned = sum(bool(record.warnings) for record in done)
    say(f"{len(done)} of {len(records)} clips done, {warned} with warnings; details: {out / RECORDS_FILE}")
    for protocol, halves in halves_of(done, spec).items():
        say(_count_line(done, spec, protocol, halves))
    lines = [f"failed: {record.clip}: {record.reason}" for record in records if record.status == "failed"]
    for record in done:
        if record.last_failure:
            kept = "kept as it was" if record.splits else "kept, but in no split file until the list says what it is"
            lines.append(f"failed, and {kept}: {record.clip}: {record.last_failure}")
    for line in lines[:_MAX_FAILURES]:
        say(line)
    if len(lines) > _MAX_FAILURES:
        say(f"failed: {len(lines) - _MAX_FAILURES} more, in {RECORDS_FILE}")
    outdated = [record for record in done if record.outdated is not None]
    if outdated:
        say(
            f"{len(outdated)} clips, such as {outdated[0].clip}, are still as other settings made them: "
            f"{outdated[0].outdated}; run the same command again, with their recordings"
        )
    tried = {record.clip for record in done if record.last_failure}
    left = {clip: why for clip, why in stale.items() if clip not in tried}
    for line in reasons_by_clip(left):
        say(f"is still as it was before, because this run did not do it again: {line}")
    if left:
        say(f"{len(left)} clips are not as they would be done now; run the same command for all of them")
    return int(bool(lines or outdated or left))


def reasons_by_clip(reasons: Mapping[str, str]) -> list[str]:
    """Return a line for each clip, and one for those that are too many for a terminal."""
    lines = [f"{clip}: {why}" for clip, why in reasons.items()]
    more = len(lines) - _MAX_FAILURES
    return [*lines[:_MAX_FAILURES], *([f"{more} more"] if more > 0 else [])]


def _count_line(done: Iterable[ClipRecord], spec: DatasetSpec, protocol: str, halves: Iterable[Split]) -> str:
    counts = Counter(record.splits.get(protocol) for record in done)
    full = spec.counts.get(protocol, {})
    parts = [
        f"{counts[split]} {split}" + (f" of {full[split]}" if full.get(split, counts[split]) != counts[split] else "")
        for split in halves
    ]
    return f"{protocol or 'splits'}: {', '.join(parts)}"
