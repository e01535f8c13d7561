"""What a data set, or another source of recordings, has to say for its recordings to be processed."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from preprocess.pipeline.options import RunOptions
from rgbd.dataset.layouts import DatasetSpec, Split
from rgbd.dataset.records import ClipRecord
from rgbd.people.clip_boxes import RoiMode
from rgbd.people.masked_depth import MaskMode
from rgbd.recording.limits import Limits
from rgbd.recording.recording import Recording
from rgbd.types import Stream


@dataclass(frozen=True)
class ClipJob:
    """What a worker needs to know of one clip. Data sets derive their own from it.

    `streams` are those to write; `splits` is {protocol: half}; `camera` names what one registration holds for;
    `before` is the record of other streams of it, which an earlier run has written; `accept_short`: whether what can be
    read of a recording that was cut or damaged is taken.
    """

    clip: str
    label: int
    splits: Mapping[str, Split]
    camera: str | None
    streams: tuple[Stream, ...]
    before: ClipRecord | None = field(default=None, kw_only=True)
    accept_short: bool = field(default=False, kw_only=True)

    @property
    def limits(self) -> Limits:
        """How its streams are to be opened."""
        return Limits(on_damage="skip" if self.accept_short else "refuse")


AnyClipJob = TypeVar("AnyClipJob", bound=ClipJob)


@dataclass(frozen=True)
class Found(Generic[AnyClipJob]):
    """What a command is to work on.

    raw: where it was found. refused: records of clips that no job could be made of. inputs: all that is read.
    default_masks: which depth is kept unless --masks says otherwise. complete: adds to the chosen jobs what can be
    known only when the output folder is this process's own.
    """

    raw: Path
    class_names: Sequence[str]
    jobs: Sequence[AnyClipJob]
    refused: Sequence[ClipRecord]
    inputs: Iterable[Path]
    default_masks: MaskMode = "none"
    complete: Callable[[Sequence[AnyClipJob], RunOptions], Sequence[AnyClipJob]] = lambda jobs, _: jobs


class Dataset(Protocol[AnyClipJob]):
    """A data set, or another source of recordings, that `python -m preprocess.<name>` processes."""

    @property
    def layout(self) -> DatasetSpec:
        """How its processed frames lie."""

    @property
    def default_roi(self) -> RoiMode:
        """What frames are cropped to unless --roi says otherwise."""

    @property
    def default_masks_note(self) -> str:
        """Which masks `find` chooses, in words."""

    def parser(self) -> argparse.ArgumentParser:
        """Return a parser with what is said of the data set, and with the options that only it has."""

    def find(self, options: argparse.Namespace) -> Found[AnyClipJob]:
        """Return what there is to do; raises `DatasetError` where there is nothing, or it is laid out otherwise.

        `options` are those of `parser`, and those that all commands share.
        """

    def open(self, job: AnyClipJob) -> Recording:
        """Open the recording of a job, in a worker process; raises `UserError` where that cannot be done."""
