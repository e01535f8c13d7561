"""`python -m preprocess.report DATA`: one page about a processed data set, to look at before training."""

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preprocess.ntu.recording import RGB_FOLDER, RGB_SUFFIX
from preprocess.pipeline.output import places_of
from preprocess.report.pictures import contact_sheet
from preprocess.report.quality_checks import Suspicion, find_suspicious
from rgbd.camera.registration import REGISTRATION_FILE, read_registrations
from rgbd.dataset.layouts import DATASETS, NTU
from rgbd.dataset.reading import open_clips
from rgbd.dataset.records import RECORDS_FILE, ClipRecord, read_records
from rgbd.dataset.run_info import RunInfo, read_run_info
from rgbd.dataset.splits import read_class_names
from rgbd.dataset.store import ClipReader
from rgbd.errors import DatasetError, UserError
from rgbd.html_page import Bar, bars, histogram, render_page, write_page
from rgbd.overlap import check_apart, check_replaceable
from rgbd.terminal import positive, program, progress_bar, run_command

_FRAMES_PER_HOUR = 30 * 3600  # Kinect's rate; the records do not keep the videos'
_MAX_LISTED = 200  # of clips that failed or look wrong; the records have them all


@dataclass(frozen=True)
class Sheet:
    """A clip with its contact sheet as a data: address, or the reason why there is none, and what is said of it."""

    record: ClipRecord
    class_name: str
    reasons: tuple[str, ...]
    picture: str | None
    problem: str | None = None


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code, 0."""
    options = _parser().parse_args(arguments)
    data: Path = options.data
    out = options.out or data / "report.html"
    check_replaceable(out, ".html", ".htm")
    records = read_records(data / RECORDS_FILE).values()
    if records and (spec := DATASETS.get(read_run_info(data).dataset)):
        check_apart([out], places_of(spec, data, records))
    write_page(out, make_page(data, num_clips=options.clips, seed=options.seed, raw=options.raw))
    return 0


def make_page(data: Path, *, num_clips: int, seed: int, raw: Path | None) -> str:
    """Return the page of the data set at `data` as HTML that needs no other file.

    Raises `DatasetError` where there are no records, or they are not of a data set that is known here.
    """
    records = list(read_records(data / RECORDS_FILE).values())
    if not records:
        raise DatasetError(f"{data}: has no {RECORDS_FILE} with clips; is this what a preprocess command has written?")
    info = read_run_info(data)
    if info.dataset not in DATASETS:
        raise DatasetError(f"{data}: is of the data set {info.dataset!r}, which is not known here; update rgbd-motion")
    done = [record for record in records if record.status == "done"]
    names = read_class_names(data) or DATASETS[info.dataset].class_names
    suspicious = find_suspicious(done)
    sheets = _Sheets(data, info, names, raw)
    drawn = np.random.default_rng(seed).permutation(len(done))[:num_clips]
    with progress_bar() as progress:
        shown = [*suspicious[:num_clips], *(Suspicion(done[index], (), 0.0) for index in sorted(drawn))]
        made = [sheets.make(suspicion) for suspicion in progress.track(shown, description="drawing clips")]
    registration = data / REGISTRATION_FILE
    return render_page(
        "preprocess.report",
        info=info,
        prepared=info.prepared_as | ({} if info.preparation else {"preparation": "not recorded"}),
        num_done=len(done),
        num_frames=sum(record.num_frames for record in done),
        hours=sum(record.num_frames for record in done) / _FRAMES_PER_HOUR,
        num_warned=sum(bool(record.warnings) for record in done),
        failed=[record for record in records if record.status == "failed"],
        max_listed=_MAX_LISTED,
        wrong=made[: len(suspicious[:num_clips])],
        more_wrong=suspicious[num_clips:],
        random=made[len(suspicious[:num_clips]) :],
        splits=_splits(done),
        classes=_classes(done, names),
        cameras=bars(Counter(record.camera for record in done if record.camera)),
        lengths=histogram([record.num_frames for record in done]),
        coverage=histogram([100 * record.mask_coverage for record in done if record.mask_coverage is not None]),
        sources=bars(Counter(record.mask_source or "not masked" for record in done if "depth" in record.streams)),
        registrations=read_registrations(registration) if registration.exists() else {},
    )


class _Sheets:
    """Makes the contact sheets of a data set's clips."""

    def __init__(self, data: Path, info: RunInfo, names: Sequence[str], raw: Path | None) -> None:
        self._reader: ClipReader = open_clips(data, DATASETS[info.dataset])
        self._names = names
        self._videos = (raw or Path(info.raw)) / RGB_FOLDER if info.dataset == NTU.name else None

    def make(self, suspicion: Suspicion) -> Sheet:
        record = suspicion.record
        label = record.label if record.label is not None else -1
        name = self._names[label] if 0 <= label < len(self._names) else "no class"
        video = self._videos / f"{record.clip}{RGB_SUFFIX}" if self._videos else None
        try:
            picture = contact_sheet(record, self._reader, video if video and video.exists() else None)
        except UserError as error:
            return Sheet(record, name, suspicion.reasons, None, str(error))
        return Sheet(record, name, suspicion.reasons, picture)


def _splits(done: Iterable[ClipRecord]) -> dict[str, list[Bar]]:
    """Return {protocol: its halves}."""
    counts: dict[str, Counter[str]] = {}
    for record in done:
        for protocol, split in record.splits.items():
            counts.setdefault(protocol or "splits", Counter())[split] += 1
    return {protocol: bars(counts[protocol], by_count=False) for protocol in counts}


def _classes(done: Iterable[ClipRecord], names: Sequence[str]) -> list[Bar]:
    """Return every class in the order of its index, those without a clip too."""
    counts = Counter(record.label for record in done)
    largest = max(counts.values(), default=1)
    return [Bar(name, counts[label], counts[label] / largest) for label, name in enumerate(names)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("preprocess.report"),
        description="Write one HTML page about a processed data set: what looks wrong first, counts, contact sheets.",
    )
    parser.add_argument("data", type=Path, help="the folder that a preprocess command has written")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default: report.html in that folder)")
    parser.add_argument(
        "--clips",
        type=positive,
        default=24,
        metavar="N",
        help="how many random clips, and suspicious ones, to draw (24)",
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed, other random clips (default: 0)")
    parser.add_argument(
        "--raw", type=Path, metavar="FOLDER", help="the raw recordings, for whole frames (default: where they were)"
    )
    return parser


if __name__ == "__main__":
    run_command(main)
