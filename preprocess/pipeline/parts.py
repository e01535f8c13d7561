"""Several machines on one folder: each does a part of the clips in a folder of its own, and one run joins them.

`--part 2/4` makes a processed data set of its own, OUT/parts/2-of-4. The same command without --part takes in what the
parts have done, and does what they have left.
"""

import argparse
import re
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rgbd.camera.registration import REGISTRATION_FILE, read_registrations, write_registrations
from rgbd.dataset.folders import FolderStore
from rgbd.dataset.layouts import DatasetSpec
from rgbd.dataset.records import RECORDS_FILE, ClipRecord, Journal, read_records
from rgbd.dataset.run_info import RUN_FILE, RunInfo, made_otherwise, read_run_info
from rgbd.dataset.shards import SHARDS_FOLDER, ShardStore, next_shard_number, shard_name
from rgbd.dataset.store import Store
from rgbd.files import atomic_file
from rgbd.locks import LOCK_FILE, locked
from rgbd.terminal import say

PARTS_FOLDER = "parts"


@dataclass(frozen=True)
class Part:
    """One of the parts that clips are divided into; `number` counts from 1."""

    number: int
    count: int

    def has(self, clip: str) -> bool:
        """Return whether a clip is of this part; that does not depend on which others there are."""
        return zlib.crc32(clip.encode(errors="surrogateescape")) % self.count == self.number - 1

    def folder(self, out: Path) -> Path:
        """Return where the part is written."""
        return out / PARTS_FOLDER / f"{self.number}-of-{self.count}"


def part(text: str) -> Part:
    """Return the part that an option's value names, such as 2/4, for argparse."""
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"expected K/N with K from 1 to N, such as 1/4, found {text!r}")
    return Part(int(match[1]), int(match[2]))


def finished_clips(out: Path) -> set[str]:
    """Return the clips that the whole data set has already, so that no part does them again."""
    return {clip for clip, record in read_records(out / RECORDS_FILE).items() if not record.is_to_do}


def begin_part(out: Path, folder: Path) -> None:
    """Give a part the registrations that the whole data set has: of a camera, there is one for all of its clips."""
    if (out / REGISTRATION_FILE).exists() and not (folder / REGISTRATION_FILE).exists():
        with atomic_file(folder / REGISTRATION_FILE) as temporary:
            shutil.copyfile(out / REGISTRATION_FILE, temporary)


def join_parts(out: Path, spec: DatasetSpec, info: RunInfo, journal: Journal) -> None:
    """Take in what parts have done, and remove their folders.

    Raises `LockedError` where one is being written, and `DatasetError` where it was made in another way than `info`
    says. A join that is killed goes on with the next run.
    """
    for folder in sorted((out / PARTS_FOLDER).glob("*-of-*")):
        if not (folder / RUN_FILE).exists():
            continue
        with locked(folder / LOCK_FILE, folder):
            _check_made_as(folder, info)
            num_done = _take_in(folder, out, spec, info, journal)
        shutil.rmtree(folder)
        say(f"{folder}: {num_done} clips are joined to {out}")
    if (out / PARTS_FOLDER).is_dir() and not any((out / PARTS_FOLDER).iterdir()):
        (out / PARTS_FOLDER).rmdir()


def _check_made_as(folder: Path, info: RunInfo) -> None:
    made = read_run_info(folder)
    if different := made.changed(info, "dataset", "format") | made.differences(info):
        raise made_otherwise(folder, different, "join it with the options that it was made with, or remove it")


def _take_in(folder: Path, out: Path, spec: DatasetSpec, info: RunInfo, journal: Journal) -> int:
    """Record what a part has done, then move it; return how many clips are done.

    What was recorded and not moved is not held, and so is taken in by the next run.
    """
    records = read_records(folder / RECORDS_FILE)
    store: Store = FolderStore(folder, spec) if info.format == "folders" else ShardStore(folder, spec, records)
    done = {clip: record for clip, record in records.items() if record.status == "done" and store.holds(record)}
    failed = {clip: record for clip, record in records.items() if record.status == "failed"}
    _add_registrations(folder, out)
    if info.format == "folders":
        journal.amend(done | _failures(failed, journal.records), [])
        for record in done.values():
            _move_frames(record, folder, out, spec)
    else:
        names = _new_shard_names(folder, out, journal.records)
        moved = {clip: _in_shard(record, names) for clip, record in done.items()}
        journal.amend(moved | _failures(failed, journal.records), [])
        for old, new in names.items():
            (out / SHARDS_FOLDER).mkdir(exist_ok=True)
            (folder / SHARDS_FOLDER / old).rename(out / SHARDS_FOLDER / new)
    return len(done)


def _failures(failed: Mapping[str, ClipRecord], records: Mapping[str, ClipRecord]) -> dict[str, ClipRecord]:
    """Return the records to keep of clips that failed: what was finished before stays."""
    return {
        clip: before.failed_again(now) if (before := records.get(clip)) is not None and before.is_finished else now
        for clip, now in failed.items()
    }


def _move_frames(record: ClipRecord, folder: Path, out: Path, spec: DatasetSpec) -> None:
    for stream in record.streams:
        source, final = (spec.frame_path(root, stream, record.clip, 0).parent for root in (folder, out))
        if final.exists():
            shutil.rmtree(final)
        final.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source, final)  # frames may lie on another disk, through a link


def _new_shard_names(folder: Path, out: Path, records: Mapping[str, ClipRecord]) -> dict[str, str]:
    """Return {the name of a part's shard: one that is free in the whole data set}."""
    shards = sorted(path.name for path in (folder / SHARDS_FOLDER).glob("clips-*.tar"))
    first = next_shard_number(out / SHARDS_FOLDER, records)
    return {name: shard_name(number) for number, name in enumerate(shards, start=first)}


def _in_shard(record: ClipRecord, names: Mapping[str, str]) -> ClipRecord:
    assert record.shard is not None  # or its part would not hold it
    return record.model_copy(update={"shard": record.shard.model_copy(update={"name": names[record.shard.name]})})


def _add_registrations(folder: Path, out: Path) -> None:
    files = [root / REGISTRATION_FILE for root in (folder, out)]
    theirs, ours = (read_registrations(path) if path.exists() else {} for path in files)
    if theirs.keys() - ours.keys():
        write_registrations(files[1], dict(sorted({**theirs, **ours}.items())))
