"""Data sets that come with lists, and whose clips are kept whole by default: NvGesture, IsoGD, THU-READ and Jester."""

import argparse
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from preprocess.pipeline.dataset import ClipJob, Found, Identity, check_depth_kind
from preprocess.pipeline.options import dataset_parser
from preprocess.pipeline.sources import Sources, source_path
from rgbd.dataset.layouts import DatasetSpec, Split
from rgbd.dataset.records import ClipRecord, SourceFile
from rgbd.dataset.splits import read_class_names
from rgbd.errors import DatasetError, reason_of
from rgbd.files import split_lines
from rgbd.overlap import with_links
from rgbd.people.clip_boxes import RoiMode
from rgbd.recording.formats import open_stream
from rgbd.recording.limits import Limits
from rgbd.recording.recording import Recording
from rgbd.recording.streams import Excerpt, StreamReader
from rgbd.types import Stream


class Source(NamedTuple):
    """A video, of which frames `start` to before `stop` are meant, or a folder of images."""

    path: Path
    start: int = 0
    stop: int | None = None

    def below(self, raw: Path) -> SourceFile:
        """Return how a record names it."""
        return SourceFile(path=source_path(self.path, raw), start=self.start if self.stop else None, stop=self.stop)


@dataclass(frozen=True)
class ListedJob(ClipJob):
    """A clip and where its streams lie."""

    sources: Mapping[Stream, Source]


@dataclass
class Listing:
    """What a data set's lists name: clips that can be tried, records of those that cannot, and the classes."""

    raw: Path
    class_names: tuple[str, ...]
    jobs: dict[str, ListedJob] = field(default_factory=dict)
    refused: dict[str, ClipRecord] = field(default_factory=dict)

    def add(self, clip: str, label: int, splits: Mapping[str, Split], sources: Mapping[Stream, Source]) -> None:
        """Add a clip; one that is listed twice, lacks a stream or has no class's label is refused, with the reason."""
        missing = [reason for source in sources.values() if (reason := why_missing(source.path))]
        if clip in self.jobs or clip in self.refused:
            self.jobs.pop(clip, None)
            self.refuse(clip, "is listed twice; remove one of the lines")
        elif not 0 <= label < len(self.class_names):
            self.refuse(
                clip, f"has the label {label} (from 0), there are {len(self.class_names)} classes; check the list"
            )
        elif missing:
            self.refuse(clip, missing[0], label, splits)
        else:
            made_from: Sources = {stream: source.below(self.raw) for stream, source in sources.items()}
            self.jobs[clip] = ListedJob(clip, label, splits, None, tuple(sources), sources, made_from=made_from)

    def refuse(
        self, clip: str, reason: str, label: int | None = None, splits: Mapping[str, Split] = MappingProxyType({})
    ) -> None:
        """Add the record of a clip that cannot be used; the list may have said what it is nevertheless."""
        self.refused[clip] = ClipRecord(clip=clip, status="failed", reason=reason, label=label, splits=dict(splits))


@dataclass(frozen=True)
class ListedDataset:
    """A data set whose lists `find_clips` reads, given the raw folder and the classes' names.

    identify: returns what the name of a clip says, given the classes' names; None where only a list says it.
    """

    layout: DatasetSpec
    description: str
    expected: str
    find_clips: Callable[[Path, tuple[str, ...]], Listing]
    identify: Callable[[str, tuple[str, ...]], Identity | None] | None = None
    default_roi: RoiMode = "whole"
    default_masks_note: str = "none"

    def parser(self) -> argparse.ArgumentParser:
        """Return a parser with --raw."""
        return dataset_parser(self.layout.name, self.description, self.expected)

    def find(self, options: argparse.Namespace) -> Found[ListedJob]:
        """Return the clips that the lists name."""
        raw: Path = options.raw
        if not raw.is_dir():
            raise DatasetError(f"--raw {raw}: is not a folder; expected {self.expected}")
        listing = self.find_clips(raw, read_class_names(raw) or self.layout.class_names)
        if not listing.jobs and not listing.refused:
            raise DatasetError(f"--raw {raw}: lists no clips; expected {self.expected}")
        return Found(
            raw=raw,
            class_names=listing.class_names,
            jobs=list(listing.jobs.values()),
            refused=list(listing.refused.values()),
            inputs=with_links(
                [raw, *(source.path for job in listing.jobs.values() for source in job.sources.values())]
            ),
            identify=self.identify and partial(_identities, self.identify, listing.class_names),
        )

    def open(self, job: ListedJob) -> Recording:
        """Open the streams of a clip."""
        streams = {stream: _open(source, stream, job.limits) for stream, source in job.sources.items()}
        depth = streams.get("depth")
        if depth is not None:
            check_depth_kind(depth, self.layout)
        return Recording(job.clip, rgb=streams.get("rgb"), depth=depth)


def why_missing(path: Path) -> str | None:
    """Return why there is nothing to read at `path`; None where there is something."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return f"{path}: is missing; copy it again"
    except (OSError, ValueError) as error:
        return f"{path}: cannot be read ({reason_of(error)}); check its permissions"
    return None


def _identities(
    identify: Callable[[str, tuple[str, ...]], Identity | None], class_names: tuple[str, ...], clips: Collection[str]
) -> Mapping[str, Identity]:
    return {clip: said for clip in clips if (said := identify(clip, class_names)) is not None}


def _open(source: Source, meant: Stream, limits: Limits) -> StreamReader:
    stream = open_stream(source.path, meant, limits)
    if source.stop is None:
        return stream
    if stream.num_frames <= source.start:
        raise DatasetError(
            f"{source.path}: has {stream.num_frames} frames, at least {source.start + 1} were expected; copy it again"
        )
    return Excerpt(stream, source.start, source.stop, limits)


def lines_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (where it stands, the line) of every line of a list that is not empty; raises `DatasetError`."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors and spreadsheets write a mark in front
    except (OSError, UnicodeDecodeError) as error:
        reason = f"cannot be read as a list of clips ({reason_of(error)})"
        raise DatasetError(f"{path}: {reason}; check its permissions, or copy it again") from error
    for number, line in enumerate(split_lines(text), start=1):
        if line.strip():
            yield f"{path}, line {number}", line.strip()
