"""What a data set, or another source of recordings, has to say for its recordings to be processed."""

import argparse
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

from preprocess.pipeline.options import RunOptions
from preprocess.pipeline.sources import Sources
from rgbd.camera.registration import Registration
from rgbd.dataset.layouts import DatasetSpec, Split
from rgbd.dataset.records import ClipRecord
from rgbd.errors import DatasetError
from rgbd.people.clip_boxes import RoiMode
from rgbd.people.masked_depth import MaskMode
from rgbd.recording.limits import Limits
from rgbd.recording.recording import Recording
from rgbd.recording.streams import StreamReader
from rgbd.types import Stream


class Identity(NamedTuple):
    """What a list, or a recording's name, says of a clip: it may be said otherwise when the clip is done already."""

    label: int
    splits: Mapping[str, Split]
    camera: str | None = None


def identities(clips: Iterable[str], identify: Callable[[str], Identity]) -> dict[str, Identity]:
    """Return what `identify` says of clips by their names, but for those of which it raises a `DatasetError`."""
    found = {}
    for clip in clips:
        with suppress(DatasetError):
            found[clip] = identify(clip)
    return found


def check_depth_kind(depth: StreamReader, layout: DatasetSpec) -> None:
    """Raise `DatasetError` for depth as 8-bit images in a data set of 16-bit depth, and the other way round."""
    is_16_bit = layout.suffix("depth") == ".png"
    if is_16_bit and not depth.is_depth:
        raise DatasetError(f"{depth.name}: holds 8-bit images; this data set's depth is 16-bit: copy it again")
    if depth.is_depth and not is_16_bit:
        raise DatasetError(f"{depth.name}: is 16-bit depth; that of this data set is 8-bit images: give it as such")


@dataclass(frozen=True)
class ClipJob:
    """What a worker needs to know of one clip. Data sets derive their own from it.

    `streams` are those to write; `splits` is {protocol: half}; `camera` names what one registration holds for;
    `before` is the record of other streams of it, which an earlier run has written; `accept_short`: whether what can be
    read of a recording that was cut or damaged is taken. `made_from` is all that is read for it, whichever
    streams are to be written.
    """

    clip: str
    label: int
    splits: Mapping[str, Split]
    camera: str | None
    streams: tuple[Stream, ...]
    before: ClipRecord | None = field(default=None, kw_only=True)
    accept_short: bool = field(default=False, kw_only=True)
    made_from: Sources = field(default_factory=dict, kw_only=True)

    @property
    def limits(self) -> Limits:
        """How its streams are to be opened."""
        return Limits(on_damage="skip" if self.accept_short else "refuse")

    @property
    def identity(self) -> Identity:
        """What is said of the clip."""
        return Identity(self.label, self.splits, self.camera)


AnyClipJob = TypeVar("AnyClipJob", bound=ClipJob)


@dataclass(frozen=True)
class Found(Generic[AnyClipJob]):
    """What a command is to work on.

    raw: where it was found. refused: records of clips that no job could be made of; their label and splits are there
    where the list says them nevertheless. inputs: all that is read. default_masks: which depth is kept unless --masks
    says otherwise. has_mutual_actions: whether some of the motions are those of two people together. complete: adds to
    the jobs what can be known only when the output folder is this process's own. registrations: returns those that are
    known of cameras by now, given the output folder.
    identify: returns what the names alone say of clips, wherever their recordings are by now, of those that belong to
    one data set; None where a list says it, and a clip that the list does not name is not of the data set.
    """

    raw: Path
    class_names: Sequence[str]
    jobs: Sequence[AnyClipJob]
    refused: Sequence[ClipRecord]
    inputs: Iterable[Path]
    default_masks: MaskMode = "none"
    has_mutual_actions: bool = False
    complete: Callable[[Sequence[AnyClipJob], RunOptions], Sequence[AnyClipJob]] = lambda jobs, _: jobs
    registrations: Callable[[Path], Mapping[str, Registration]] = lambda _: {}
    identify: Callable[[Collection[str]], Mapping[str, Identity]] | None = None


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
