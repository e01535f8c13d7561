"""`python -m export events`: clips joined to long recordings, what is found in them, and what cannot be counted."""

import json
from pathlib import Path

import pytest

from benchmarks.support.tiny_bundle import make_bundle
from export.bundle.folder import read_bundle, write_manifest
from export.verification.joined_clips import JoinedClips
from rgbd.clip.spec import ClipSpec
from rgbd.dataset.layouts import NTU
from rgbd.dataset.records import RECORDS_FILE, ClipRecord
from rgbd.dataset.splits import read_split, write_class_names
from tests.support.commands import assert_refused, run_module
from tests.support.processed import write_clips


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Ten clips of 12 frames, of a class that the bundle knows and of one that it does not; records without times."""
    write_clips(tmp_path / "data", clips={"train": 2, "valid": 10})
    write_class_names(tmp_path / "data", ["red", "strange"])
    return tmp_path / "data"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    made = read_bundle(make_bundle(tmp_path / "bundle", "rgbd"))
    config = {"data": {"dataset": "ntu", "protocol": "CS"}}
    source = made.manifest.source.model_copy(update={"config": config})
    write_manifest(made.folder, made.manifest.model_copy(update={"source": source}))
    return made.folder


def write_records(data: Path, duration_s: float) -> None:
    entries = read_split(NTU.split_file(data, "valid", "CS"), NTU)
    records = [ClipRecord(clip=entry.clip, status="done", num_frames=12, duration_s=duration_s) for entry in entries]
    lines = [record.model_dump_json(exclude_none=True) + "\n" for record in records]
    (data / RECORDS_FILE).write_text("".join(lines))


def test_what_is_found_is_counted(bundle: Path, data: Path, tmp_path: Path) -> None:
    write_records(data, 2.0)
    words = (
        "export",
        "events",
        bundle,
        "--data",
        data,
        "--window-s",
        1,
        "--recordings",
        2,
        "--json",
        tmp_path / "f.json",
    )
    result = run_module(*words)
    assert result.returncode == 0, result.stderr
    assert "10 known motions" in result.stdout and "of 10 were named" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    figures = json.loads((tmp_path / "f.json").read_text())
    assert (figures["motions"], figures["unknown_motions"], figures["least_overlap"]) == (10, 10, 0.3)
    assert 0 <= figures["detected"] <= 1 and 40 < 3600 * figures["hours"] < 80


def test_clips_follow_each_other_with_pauses(data: Path) -> None:
    write_records(data, 2.0)
    entries = read_split(NTU.split_file(data, "valid", "CS"), NTU)
    recording, again = (JoinedClips(data, NTU, entries, seed=1) for _ in range(2))
    assert recording.shown == again.shown != JoinedClips(data, NTU, entries, seed=2).shown
    for before, after in zip(recording.shown, recording.shown[1:], strict=False):
        assert before.end_s - before.start_s == pytest.approx(2.0) and 0.5 <= after.start_s - before.end_s <= 2
    spec = ClipSpec(num_frames=8, resize=(64, 48), crop=40, size=32)
    portions = list(recording.frames(("rgb", "depth"), spec, 0.1))
    counts = {stream: sum(len(portion[stream]) for portion in portions) for stream in ("rgb", "depth")}
    assert counts["rgb"] == counts["depth"] == len(range(round(recording.duration_s * 10)))


def test_what_cannot_be_counted_is_refused(bundle: Path, data: Path, tmp_path: Path) -> None:
    words = ("export", "events", bundle, "--data", data, "--window-s", 1)
    assert_refused(run_module(*words), "lasts is not known; preprocess it with this version")
    assert_refused(run_module(*words[:-2]), "give --window-s")
    assert_refused(run_module(*words, "--json", bundle / "bundle.json"), "bundle.json")
    other = make_bundle(tmp_path / "other", "rgb")
    assert_refused(run_module("export", "events", other, *words[3:]), "does not say which data set")
