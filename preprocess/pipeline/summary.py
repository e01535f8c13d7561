"""What a run prints when it has ended: counts, what went wrong, what is worth a look."""

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import get_args

from rgbd.dataset.layouts import DatasetSpec, Split
from rgbd.dataset.records import RECORDS_FILE, ClipRecord
from rgbd.terminal import say

_MAX_FAILURES = 30  # more do not help on a terminal; the records have them all


def halves_of(records: Collection[ClipRecord], spec: DatasetSpec) -> dict[str, tuple[Split, ...]]:
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


def print_summary(records: Collection[ClipRecord], spec: DatasetSpec, out: Path) -> int:
    """Print what became of all clips of a data set and return the exit code: 1 when any could not be done (again)."""
    done = [record for record in records if record.status == "done"]
    warned = sum(bool(record.warnings) for record in done)
    say(f"{len(done)} of {len(records)} clips done, {warned} with warnings; details: {out / RECORDS_FILE}")
    for protocol, halves in halves_of(done, spec).items():
        say(_count_line(done, spec, protocol, halves))
    lines = [f"failed: {record.clip}: {record.reason}" for record in records if record.status == "failed"]
    lines += [
        f"failed, and kept as it was: {record.clip}: {record.last_failure}" for record in done if record.last_failure
    ]
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
    return int(bool(lines or outdated))


def _count_line(done: Iterable[ClipRecord], spec: DatasetSpec, protocol: str, halves: Iterable[Split]) -> str:
    counts = Counter(record.splits.get(protocol) for record in done)
    full = spec.counts.get(protocol, {})
    parts = [
        f"{counts[split]} {split}" + (f" of {full[split]}" if full.get(split, counts[split]) != counts[split] else "")
        for split in halves
    ]
    return f"{protocol or 'splits'}: {', '.join(parts)}"
