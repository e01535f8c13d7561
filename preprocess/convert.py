"""`python -m preprocess.convert`: a processed data set from folders to tar files, or back, image files untouched."""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from preprocess.pipeline.dataset import ClipJob, Found
from preprocess.pipeline.options import add_run_options, run_options
from preprocess.pipeline.output import named_write_errors
from preprocess.pipeline.relisting import some
from preprocess.pipeline.run import Plan, run_plan
from rgbd.dataset.layouts import DATASETS, DatasetSpec, Split
from rgbd.dataset.reading import open_clips
from rgbd.dataset.records import RECORDS_FILE, ClipRecord, read_records
from rgbd.dataset.run_info import RUN_FILE, RunInfo, read_run_info
from rgbd.dataset.splits import CLASS_NAMES_FILE, SplitEntry, read_class_names, read_split, write_split
from rgbd.dataset.store import Store
from rgbd.errors import DatasetError, reason_of
from rgbd.files import atomic_file
from rgbd.overlap import with_links
from rgbd.terminal import program, run_command, say

_WRITTEN = (RECORDS_FILE, RUN_FILE, CLASS_NAMES_FILE)
_SMALL_FILE_BYTES = 10_000_000  # what is larger, such as an archive that was unpacked there, is not the data set's


@dataclass(frozen=True)
class ConvertJob(ClipJob):
    """A clip of the data set at `data`; `record` is what is known of it."""

    data: Path
    spec: DatasetSpec
    record: ClipRecord


def convert_clip(job: ConvertJob, store: Store) -> ClipRecord:
    """Copy the image files of one clip; return its record as it was, but for where it lies."""
    reader = open_clips(job.data, job.spec, {job.clip: job.record})
    indices = range(job.record.num_frames)
    with store.writer(job.clip, job.streams) as writer:
        for stream in job.streams:
            files = reader.read(stream, job.clip, indices)
            for index in indices:
                writer.add_encoded(stream, files[index])
    return job.record.model_copy(update={"shard": None, "streams": job.streams})


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 1 when some clips could not be converted."""
    options = _parser().parse_args(arguments)
    data, out = options.data, options.out
    info = _run_info(data, options.dataset)
    spec = DATASETS[info.dataset]
    class_names = read_class_names(data) or spec.class_names
    records, refused = _known_clips(data, spec, class_names)
    jobs = [_job(record, data, spec) for record in records.values()]
    found = Found(
        raw=Path(info.raw),
        class_names=class_names,
        jobs=jobs,
        refused=refused,
        inputs=with_links([data]),
    )
    code = run_plan(Plan(spec, found, info.preparation, info.settings, convert_clip), run_options(options))
    _copy_files(_small_files(data), data, out)
    _copy_lists(data, out, spec)
    return code


def _job(record: ClipRecord, data: Path, spec: DatasetSpec) -> ConvertJob:
    return ConvertJob(
        record.clip,
        record.label or 0,
        record.splits,
        record.camera,
        record.streams,
        data,
        spec,
        record,
        made_from=record.made_from,
    )


def _small_files(data: Path) -> Iterator[Path]:
    """Yield what lies beside the clips and is not written anew: the registration, a licence, notes."""
    for path in data.glob("[!.]*"):
        if path.is_file() and path.name not in _WRITTEN and path.stat().st_size <= _SMALL_FILE_BYTES:
            yield path


def _copy_files(files: Iterable[Path], data: Path, out: Path) -> None:
    for path in files:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DatasetError(f"{path}: cannot be read ({reason_of(error)}); check its permissions") from error
        with named_write_errors(out), atomic_file(out / path.relative_to(data)) as temporary:
            temporary.write_bytes(content)


def _copy_lists(data: Path, out: Path, spec: DatasetSpec) -> None:
    """Write the split files as they are, but for clips that are not there.

    They may be in another order than records would have them, or list a clip in two halves: somebody's own choice.
    """
    done = {clip for clip, record in read_records(out / RECORDS_FILE).items() if record.status == "done"}
    for _, _, path in _split_files(data, spec):
        entries = _entries(path, spec)
        there = [entry for entry in entries if entry.clip in done]
        if len(there) == len(entries):
            _copy_files([path], data, out)
        else:
            with named_write_errors(out):
                write_split(out / path.relative_to(data), there, spec)


def _entries(path: Path, spec: DatasetSpec) -> list[SplitEntry]:
    return read_split(path, spec) if path.stat().st_size else []


def _run_info(data: Path, dataset: str | None) -> RunInfo:
    if (data / RUN_FILE).exists():
        return read_run_info(data)
    if dataset is None:
        raise DatasetError(f"{data}: has no {RUN_FILE} that names its data set; say which it is with --dataset")
    return RunInfo(dataset=dataset, raw=str(data.resolve()), format="folders")


def _known_clips(
    data: Path, spec: DatasetSpec, class_names: Sequence[str]
) -> tuple[Mapping[str, ClipRecord], list[ClipRecord]]:
    """Return what is known of the clips that are done, and the records of those of which it contradicts itself.

    It is known by the records, or by split files where there are none.
    """
    done = [record for record in read_records(data / RECORDS_FILE).values() if record.status == "done"]
    if left_out := [record.clip for record in done if not record.splits]:
        say(f"{some(left_out)}: in no split file of {data}, because its list does not name them; they are left out")
    if done:
        return {record.clip: record for record in done if record.splits}, []
    splits: dict[str, dict[str, Split]] = defaultdict(dict)
    entries: dict[str, list[SplitEntry]] = defaultdict(list)
    for protocol, split, path in _split_files(data, spec):
        labels = dict(enumerate(spec.label_order(protocol, class_names)))
        for entry in _entries(path, spec):
            splits[entry.clip][protocol] = split
            entries[entry.clip].append(replace(entry, label=labels.get(entry.label, entry.label)))
    if not entries:
        raise DatasetError(f"{data}: holds neither {RECORDS_FILE} nor split files that list clips; check --data")
    records, refused = {}, []
    for clip, found in sorted(entries.items()):
        if reason := _contradiction(found):
            refused.append(ClipRecord(clip=clip, status="failed", reason=reason))
        else:
            records[clip] = _as_record(data, spec, found[0], splits[clip])
    return records, refused


def _contradiction(found: Sequence[SplitEntry]) -> str | None:
    """Return what split files say of one clip that cannot both be; None where they agree."""
    said = sorted({(entry.label, entry.num_frames) for entry in found})
    if len(said) == 1:
        return None
    listed = " and as ".join(f"class {label} with {num_frames} frames" for label, num_frames in said)
    return f"is listed as {listed}; correct the split files"


def _split_files(data: Path, spec: DatasetSpec) -> Iterator[tuple[str, Split, Path]]:
    """Yield (protocol, half, file) of every split file there is."""
    pattern = Path(spec.split_template.format(protocol="*", split="*"))
    protocols = {path.parent.name.removeprefix("@") for path in data.glob(str(pattern.parent / "*.txt"))}
    for protocol in sorted(protocols) if "{protocol}" in spec.split_template else [""]:
        for split in get_args(Split):
            path = spec.split_file(data, split, protocol)
            if path.exists():
                yield protocol, split, path


def _as_record(data: Path, spec: DatasetSpec, entry: SplitEntry, splits: dict[str, Split]) -> ClipRecord:
    streams = tuple(stream for stream in spec.streams if spec.frame_path(data, stream, entry.clip, 0).exists())
    return ClipRecord(
        clip=entry.clip, status="done", label=entry.label, splits=splits, streams=streams, num_frames=entry.num_frames
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("preprocess.convert"),
        description="Copy a processed data set into tar files, or out of them again; images are not encoded anew.",
        epilog="Data that another program has preprocessed will do: its split files name the clips.",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="the processed data set")
    parser.add_argument("--dataset", choices=sorted(DATASETS), help="which it is, where it has no preprocess.json")
    add_run_options(parser)
    return parser


if __name__ == "__main__":
    run_command(main)
