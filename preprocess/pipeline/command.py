"""A data set's command: `python -m preprocess.<name>`."""

import argparse
from dataclasses import dataclass, replace
from typing import Generic, get_args

from preprocess.pipeline.background import WithBackground
from preprocess.pipeline.dataset import AnyClipJob, Dataset
from preprocess.pipeline.options import add_part_option, add_run_options, run_options
from preprocess.pipeline.process_clip import OnEmpty, process
from preprocess.pipeline.run import Plan, run_plan
from rgbd.clip.preparation import Preparation
from rgbd.clip.rejection import BACKGROUND_CLASS
from rgbd.dataset.records import ClipRecord
from rgbd.dataset.store import Store
from rgbd.errors import DamagedError
from rgbd.people.clip_boxes import RoiMode
from rgbd.people.masked_depth import MaskMode


def run_dataset(dataset: Dataset[AnyClipJob], arguments: list[str] | None = None) -> int:
    """Run the command of a data set and return its exit code: 0, or 1 when some recordings failed."""
    return _run(WithBackground(dataset), arguments)


def _run(dataset: Dataset[AnyClipJob], arguments: list[str] | None) -> int:
    parser = dataset.parser()
    _add_preparation_options(parser, dataset)
    add_run_options(parser)
    add_part_option(parser)
    options = parser.parse_args(arguments)
    found = dataset.find(options)
    if options.accept_short:
        found = replace(found, jobs=[replace(job, accept_short=True) for job in found.jobs])
    masks = options.masks or found.default_masks
    preparation = Preparation(
        streams=(),
        masks=masks,
        roi=options.roi,
        as_jpeg=dataset.layout.jpeg_streams,
        has_mutual_actions=found.has_mutual_actions or options.mutual_actions,
    )
    names = found.class_names
    background = names.index(BACKGROUND_CLASS) if BACKGROUND_CLASS in names else None
    work = _Work(dataset, preparation, options.on_empty, background)
    return run_plan(Plan(dataset.layout, found, preparation, None, work), run_options(options))


@dataclass(frozen=True)
class _Work(Generic[AnyClipJob]):
    """What a worker does with a job; `background` is the label of recordings that may show nobody."""

    dataset: Dataset[AnyClipJob]
    preparation: Preparation
    on_empty: OnEmpty
    background: int | None

    def __call__(self, job: AnyClipJob, store: Store) -> ClipRecord:
        preparation = self.preparation.model_copy(update={"streams": job.streams})
        on_empty = "keep" if job.label == self.background else self.on_empty
        try:
            recording = self.dataset.open(job)
            return process(recording, preparation, on_empty, store, job.before, accept_short=job.accept_short)
        except DamagedError as error:
            if job.accept_short:
                raise
            raise DamagedError(f"{error}, or take what there is of it: --accept-short") from error


def _add_preparation_options(parser: argparse.ArgumentParser, dataset: Dataset[AnyClipJob]) -> None:
    """Add what is done to a recording before clips are cut from it."""
    parser.add_argument(
        "--mutual-actions",
        action="store_true",
        help="some of the motions are those of two people together: a service then answers about all people in a "
        "recording, unless it is asked about one (NTU's own are known)",
    )
    parser.add_argument(
        "--masks",
        choices=get_args(MaskMode),
        help="which depth is kept. official: the region around the people, as in NTU's published masks; body: the "
        f"people only; none: all of it (default: {dataset.default_masks_note})",
    )
    parser.add_argument(
        "--roi",
        choices=get_args(RoiMode),
        default=dataset.default_roi,
        help="what frames are cropped to. clip: one 4:3 box for the whole clip, around every body; tracked: a box of "
        "one size that follows them; legacy: NTU's published way, another window for every frame, depth left whole; "
        "whole: nothing is cropped (default: %(default)s)",
    )
    parser.add_argument(
        "--on-empty",
        choices=get_args(OnEmpty),
        default="fail",
        help="what becomes of a recording whose depth would show nothing in any frame. fail: it is not done, but "
        f"for those of the class {BACKGROUND_CLASS!r} (default); keep: it is kept whole, neither cropped nor masked",
    )
    parser.add_argument(
        "--accept-short",
        action="store_true",
        help="take what can be read of recordings that were cut or damaged, with a warning in the record; else they "
        "fail",
    )
