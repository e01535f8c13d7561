"""Recordings in which nothing of interest happens, which any data set may have beside its own: `--background`."""

import argparse
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Generic, cast, get_args

from preprocess.pipeline.dataset import AnyClipJob, ClipJob, Dataset, Found, Identity, check_depth_kind
from preprocess.pipeline.options import RunOptions
from preprocess.pipeline.sources import Sources, source_path
from rgbd.clip.rejection import BACKGROUND_CLASS
from rgbd.dataset.layouts import DatasetSpec, Split
from rgbd.dataset.records import ClipRecord, SourceFile
from rgbd.errors import DatasetError, reason_of
from rgbd.overlap import check_apart, with_links
from rgbd.recording.archive import is_hidden
from rgbd.recording.formats import open_files
from rgbd.recording.recording import Recording, recording_of
from rgbd.recording.stills.numbering import natural_order
from rgbd.types import Stream, in_order

CLIP_PREFIX = f"{BACKGROUND_CLASS}_"
"""What the names of these clips begin with."""

_EVERY = 3  # one of so many validates, the others train

_STREAMS: Mapping[str, Stream] = {stream: stream for stream in get_args(Stream)}
_HALF = re.compile(rf"(?P<name>.+)_(?P<stream>{'|'.join(_STREAMS)})", re.DOTALL)

_Files = Mapping[Stream, Path]


@dataclass(frozen=True)
class BackgroundJob(ClipJob):
    """A recording in which nothing of interest happens; each stream's file or folder, the same where one has both."""

    files: _Files


class WithBackground(Generic[AnyClipJob]):
    """A data set with the option --background: the recordings in that folder are a class of their own."""

    def __init__(self, dataset: Dataset[AnyClipJob]) -> None:
        self._dataset, self.layout = dataset, dataset.layout
        self.default_roi, self.default_masks_note = dataset.default_roi, dataset.default_masks_note

    def parser(self) -> argparse.ArgumentParser:
        """Return the data set's parser with --background."""
        parser = self._dataset.parser()
        parser.add_argument(
            "--background",
            type=Path,
            metavar="FOLDER",
            help="recordings in which nothing of interest happens, such as an empty room or people who only stand or "
            f"walk by: a class of their own, {BACKGROUND_CLASS!r}. Each file or folder in it is a recording of one "
            "stream or of both, but NAME_rgb.* and NAME_depth.* are one together, there or in a folder of the two",
        )
        return parser

    def find(self, options: argparse.Namespace) -> Found[AnyClipJob | BackgroundJob]:
        """Return what the data set finds, and the recordings of --background.

        Raises `DatasetError` as the data set does, and where there are too few of these recordings, or one is called as
        a clip of the data set is; `UserError` where --out and --background meet.
        """
        found = cast("Found[AnyClipJob | BackgroundJob]", self._dataset.find(options))  # it has none of the others yet
        folder: Path | None = options.background
        if folder is None:
            return found
        check_apart([options.out], [folder])
        return _joined(found, folder, self.layout)

    def open(self, job: AnyClipJob | BackgroundJob) -> Recording:
        """Open the recording of a job; raises `UserError` where that cannot be done."""
        return _open(job, self.layout) if isinstance(job, BackgroundJob) else self._dataset.open(job)


def _open(job: BackgroundJob, layout: DatasetSpec) -> Recording:
    streams = open_files(job.files, job.limits)
    if missing := [stream for stream in job.streams if stream not in streams]:
        raise DatasetError(
            f"holds no {' and no '.join(missing)}, which the other clips have; add it, or remove the recording"
        )
    if "depth" in streams:
        check_depth_kind(streams["depth"], layout)
    return recording_of(job.clip, streams)


@dataclass(frozen=True)
class _Said:
    """What is said of these clips: their label, the protocols that there are, and the half of each clip in all."""

    label: int
    protocols: Collection[str]
    halves: Mapping[str, Split]

    def of(self, clip: str, more_protocols: Iterable[str] = ()) -> Identity:
        """Return what is said of one, where the data set has these protocols, too."""
        return Identity(self.label, dict.fromkeys((*self.protocols, *more_protocols), self.halves[clip]))


def _joined(
    found: Found[AnyClipJob | BackgroundJob], folder: Path, layout: DatasetSpec
) -> Found[AnyClipJob | BackgroundJob]:
    """Return what was found, and the recordings in `folder` as clips of the class that comes last, if it is new."""
    recordings, names = _find_recordings(folder), tuple(found.class_names)
    if BACKGROUND_CLASS not in names:
        names = (*names, BACKGROUND_CLASS)
    clips = {clip.clip: clip.splits for clip in (*found.jobs, *found.refused)}
    said = _Said(
        names.index(BACKGROUND_CLASS), _protocols(clips.values()), {clip: _half(i) for i, clip in enumerate(recordings)}
    )
    if same := sorted(recordings.keys() & clips.keys()):
        name = same[0].removeprefix(CLIP_PREFIX)
        raise DatasetError(
            f"--background {folder}: {name} would be called {same[0]}, as a clip of the data set is; rename one of them"
        )
    streams = in_order({stream for job in found.jobs for stream in job.streams} or layout.streams)
    jobs, refused = _jobs_of(recordings, said, found.raw, streams, layout)
    paths = [path for candidates in recordings.values() for files in candidates for path in files.values()]
    return replace(
        found,
        class_names=names,
        jobs=[*found.jobs, *jobs],
        refused=[*found.refused, *refused],
        inputs=[*found.inputs, *with_links([folder, *paths])],
        complete=partial(_completed, found.complete),
        identify=found.identify and partial(_identities, found.identify, said),
    )


def _jobs_of(
    recordings: Mapping[str, Sequence[_Files]], said: _Said, raw: Path, streams: tuple[Stream, ...], layout: DatasetSpec
) -> tuple[list[BackgroundJob], list[ClipRecord]]:
    """Return the clips that can be tried, of which these streams are written, and the records of those that cannot."""
    jobs, refused = [], []
    for clip, candidates in recordings.items():
        identity = said.of(clip)
        try:
            files = {name: path for name, path in _the_files(clip, candidates).items() if name in layout.streams}
        except DatasetError as error:
            told = {"label": identity.label, "splits": dict(identity.splits)}
            refused.append(ClipRecord(clip=clip, status="failed", reason=str(error), **told))
            continue
        made_from: Sources = {name: SourceFile(path=source_path(path, raw)) for name, path in files.items()}
        jobs.append(BackgroundJob(clip, *identity, streams, files, made_from=made_from))
    return jobs, refused


def _half(index: int) -> Split:
    return "valid" if index % _EVERY == _EVERY - 1 else "train"


def _protocols(splits: Iterable[Mapping[str, Split]]) -> list[str]:
    return list(dict.fromkeys(protocol for halves in splits for protocol in halves))


def _completed(
    complete: Callable[[Sequence[AnyClipJob | BackgroundJob], RunOptions], Sequence[AnyClipJob | BackgroundJob]],
    jobs: Sequence[AnyClipJob | BackgroundJob],
    options: RunOptions,
) -> Sequence[AnyClipJob | BackgroundJob]:
    """Return the jobs, of which the data set completes its own only."""
    background = [job for job in jobs if isinstance(job, BackgroundJob)]
    return [*complete([job for job in jobs if not isinstance(job, BackgroundJob)], options), *background]


def _identities(
    identify: Callable[[Collection[str]], Mapping[str, Identity]], said: _Said, clips: Collection[str]
) -> Mapping[str, Identity]:
    """Return what names say of the data set's own clips, and what is said of those of the background."""
    own = identify([clip for clip in clips if clip not in said.halves])
    protocols = _protocols(identity.splits for identity in own.values())  # clips of other runs may have more
    return {**own, **{clip: said.of(clip, protocols) for clip in clips if clip in said.halves}}


def _find_recordings(folder: Path) -> dict[str, list[_Files]]:
    """Return {clip: the files that are called by its name}, in the order of the names, as people number things.

    Raises `DatasetError` where there are not enough for both halves.
    """
    if not folder.is_dir():
        raise DatasetError(f"--background {folder}: is not a folder; expected one that holds recordings")
    found: dict[str, list[_Files]] = defaultdict(list)
    try:
        for path in sorted(folder.iterdir()):
            if not is_hidden(path):
                name, files = _recording_of(path)
                found[name].append(files)
    except OSError as error:
        reason = f"cannot be read ({reason_of(error)}); check its permissions"
        raise DatasetError(f"--background {folder}: {reason}") from error
    if len(found) < _EVERY:
        raise DatasetError(
            f"--background {folder}: holds {len(found)} recordings, at least {_EVERY} are needed, so that some train "
            "and some validate"
        )
    names = sorted(found, key=lambda name: (natural_order(name), name))
    return {f"{CLIP_PREFIX}{name}": found[name] for name in names}


def _recording_of(path: Path) -> tuple[str, _Files]:
    """Return the name of the recording that a file or folder is, or is of, and which streams it may hold."""
    is_folder = path.is_dir()
    name = path.name if is_folder else path.stem
    if (half := _HALF.fullmatch(name)) is not None:
        return half["name"], {_STREAMS[half["stream"]]: path}
    if is_folder and (pair := _pair_in(path)) is not None:
        return name, pair
    return name, dict.fromkeys(get_args(Stream), path)


def _pair_in(folder: Path) -> _Files | None:
    """Return both streams of a folder that holds NAME_rgb.* and NAME_depth.* and nothing else; None of any other."""
    inside = [path for path in folder.iterdir() if not is_hidden(path)]
    if len(inside) != len(_STREAMS):
        return None
    (name, first), (other, second) = (_recording_of(path) for path in inside)
    return {**first, **second} if name == other and first.keys().isdisjoint(second) else None


def _the_files(clip: str, candidates: Sequence[_Files]) -> _Files:
    """Return the file of each stream; raises `DatasetError` where several may be meant, or the name is of no use."""
    if not clip.isprintable() or " " in clip or "\\" in clip:
        raise DatasetError("its name has spaces, or characters that no list can hold; rename it")
    files = {stream: path for found in candidates for stream, path in found.items()}
    if len(files) < sum(map(len, candidates)):
        names = ", ".join(str(path) for path in dict.fromkeys(path for found in candidates for path in found.values()))
        raise DatasetError(f"may be any of {names}; rename all but those that belong together")
    return files
