"""The folder that a run writes: what it takes up of it, and whether that may be written."""

import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from preprocess.pipeline.dataset import AnyClipJob, ClipJob
from rgbd.camera.registration import REGISTRATION_FILE
from rgbd.dataset.layouts import DatasetSpec
from rgbd.dataset.records import RECORDS_FILE, ClipRecord
from rgbd.dataset.run_info import RUN_FILE
from rgbd.dataset.shards import SHARDS_FOLDER
from rgbd.dataset.splits import CLASS_NAMES_FILE
from rgbd.errors import DatasetError, UserError, reason_of
from rgbd.locks import LOCK_FILE


def named_inside(
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


def check_own(out: Path, places: Iterable[Path]) -> None:
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


@contextmanager
def named_write_errors(out: Path) -> Iterator[None]:
    """Turn errors of the file system into what a user can correct."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = "make room" if full else "correct that"
        raise UserError(
            f"--out {out}: cannot be written ({reason_of(error)}); {remedy} and run the same command again: finished "
            "clips are kept"
        ) from error
