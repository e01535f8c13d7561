"""Data sets whose clips are kept whole, frame by frame: NvGesture, IsoGD, THU-READ and Jester."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from preprocess.pipeline.options import dataset_parser, run_options
from preprocess.pipeline.rgbd_clip import EmptyDepthError, OnEmpty
from preprocess.pipeline.run import ClipJob, run_dataset
from rgbd.camera.registration import stretch
from rgbd.clip.crop import OUTPUT_SIZE, crop_depth, crop_picture, fit_height
from rgbd.dataset.layouts import DatasetSpec, Split
from rgbd.dataset.records import ClipRecord
from rgbd.dataset.run_info import RunInfo
from rgbd.dataset.splits import read_class_names
from rgbd.dataset.store import Store
from rgbd.errors import DatasetError
from rgbd.files import split_lines
from rgbd.recording.images import read_image
from rgbd.recording.sources import ColorFrames, DepthFrames, Picture, image_files, open_color, open_depth
from rgbd.types import Frame, Size, Stream


class Source(NamedTuple):
    """A video, of which frames `start` to before `stop` are meant, or a folder of images."""

    path: Path
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True)
class ListedJob(ClipJob):
    """A clip and where its streams lie."""

    sources: Mapping[Stream, Source]


@dataclass
class Listing:
    """What a data set's lists name: clips that can be tried, records of those that cannot, and the classes."""

    class_names: tuple[str, ...]
    jobs: dict[str, ListedJob] = field(default_factory=dict)
    refused: dict[str, ClipRecord] = field(default_factory=dict)

    def add(self, clip: str, label: int, splits: Mapping[str, Split], sources: Mapping[Stream, Source]) -> None:
        """Add a clip; one that is listed twice, lacks a stream or has no class's label is refused, with the reason."""
        missing = [str(source.path) for source in sources.values() if not source.path.exists()]
        if clip in self.jobs or clip in self.refused:
            self.jobs.pop(clip, None)
            self.refuse(clip, "is listed twice; remove one of the lines")
        elif not 0 <= label < len(self.class_names):
            self.refuse(
                clip, f"has the label {label} (from 0), there are {len(self.class_names)} classes; check the list"
            )
        elif missing:
            self.refuse(clip, f"{missing[0]}: is missing; copy it again")
        else:
            self.jobs[clip] = ListedJob(clip, label, splits, None, tuple(sources), sources)

    def refuse(self, clip: str, reason: str) -> None:
        """Add the record of a clip that cannot be used."""
        self.refused[clip] = ClipRecord(clip=clip, status="failed", reason=reason)


def process_listed_clip(job: ListedJob, store: Store, *, on_empty: OnEmpty) -> ClipRecord:
    """Write all frames that all streams have, shrunk to 240 rows if they are larger, and return the record.

    Raises `UserError` for a clip that cannot be read, and for one whose depth shows nothing unless such are kept.
    """
    frames = {stream: _open(job.sources[stream]) for stream in job.streams}
    lengths = {stream: len(found) for stream, found in frames.items()}
    num_frames, shows_depth, warnings = 0, False, []
    with store.writer(job.clip, job.streams) as writer:
        for pictures in zip(*frames.values(), strict=False):
            for stream, picture in zip(frames, pictures, strict=True):
                frame = _shrink(picture)
                writer.add(stream, frame)
                shows_depth = shows_depth or (stream == "depth" and bool(frame.any()))
            num_frames += 1
        if num_frames == 0:
            raise DatasetError(f"{next(iter(job.sources.values())).path}: holds no frames; copy it again")
        if "depth" in job.streams and not shows_depth:
            empty = f"{job.sources['depth'].path}: is empty in every frame"
            if on_empty == "fail":
                raise EmptyDepthError(f"{empty}; copy it again, or keep such recordings: --on-empty keep")
            warnings.append(empty)
    if any(length != num_frames for length in lengths.values()):
        counts = " and ".join(f"{length} of {stream}" for stream, length in lengths.items())
        warnings.append(f"there are {counts} frames; the first {num_frames} were kept")
    return ClipRecord(
        clip=job.clip,
        status="done",
        streams=job.streams,
        num_frames=num_frames,
        rgb_frames_in=lengths.get("rgb"),
        depth_frames_in=lengths.get("depth"),
        color_size=_size(frames.get("rgb")),
        depth_size=_size(frames.get("depth")),
        roi="whole",
        warnings=tuple(warnings),
    )


def _open(source: Source) -> ColorFrames | DepthFrames:
    """Return the frames, whatever they hold: depth may come as 8-bit colours, or as 16-bit PNG files."""
    if source.path.is_dir() and read_image(image_files(source.path)[0]).ndim == 2:
        return open_depth(source.path)
    return open_color(*source)


def _size(frames: ColorFrames | DepthFrames | None) -> Size | None:
    return getattr(frames, "size", None)


def _shrink(picture: Picture) -> Frame:
    height, width = picture.shape[:2] if isinstance(picture, np.ndarray) else (picture.height, picture.width)
    size = fit_height((width, height)) if height > OUTPUT_SIZE[1] else (width, height)
    whole = (0, 0, width, height)
    if isinstance(picture, np.ndarray) and picture.ndim == 2:
        return crop_depth(picture.astype(np.uint16, copy=False), whole, stretch((width, height), (width, height)), size)
    return crop_picture(picture, whole, size)


def run_listed(
    spec: DatasetSpec,
    description: str,
    layout: str,
    find_clips: Callable[[Path, tuple[str, ...]], Listing],
    arguments: list[str] | None,
) -> int:
    """Run the command of a data set and return its exit code; `find_clips` reads its lists."""
    options = dataset_parser(f"preprocess.{spec.name}", description, layout).parse_args(arguments)
    if not options.raw.is_dir():
        raise DatasetError(f"--raw {options.raw}: is not a folder; expected {layout}")
    listing = find_clips(options.raw, read_class_names(options.raw) or spec.class_names)
    if not listing.jobs and not listing.refused:
        raise DatasetError(f"--raw {options.raw}: lists no clips; expected {layout}")
    info = RunInfo(dataset=spec.name, raw=str(options.raw.resolve()), format=options.format, settings={})
    return run_dataset(
        spec,
        info,
        listing.class_names,
        list(listing.jobs.values()),
        partial(process_listed_clip, on_empty=options.on_empty),
        run_options(options),
        inputs=[options.raw, *(source.path for job in listing.jobs.values() for source in job.sources.values())],
        refused=list(listing.refused.values()),
    )


def lines_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (where it stands, the line) of every line of a list that is not empty; raises `DatasetError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as a list of clips; copy it again") from error
    for number, line in enumerate(split_lines(text), start=1):
        if line.strip():
            yield f"{path}, line {number}", line.strip()
