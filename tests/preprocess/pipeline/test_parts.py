"""Several machines on one folder: parts that are done at the same time, and joined, are the data set of one run."""

import signal
from pathlib import Path

import pytest

from rgbd.dataset.layouts import NTU
from rgbd.dataset.reading import open_clips
from rgbd.dataset.records import RECORDS_FILE, read_records
from rgbd.dataset.store import Format
from rgbd.errors import DatasetError
from rgbd.locks import LockedError
from tests.support.ntu_recordings import CLIPS
from tests.support.ntu_runs import run, start
from tests.support.processed import records
from tests.support.waiting import wait_until

FEW = "*A00?"  # nine of the recordings


def contents(out: Path) -> dict[str, list[bytes]]:
    """Return the image files of every clip that is done, wherever they are kept."""
    reader = open_clips(out, NTU)
    return {
        clip: [
            content
            for stream in ("rgb", "depth")
            for _, content in sorted(reader.read(stream, clip, range(record["num_frames"])).items())  # type: ignore[arg-type]
        ]
        for clip, record in records(out).items()
    }


def timeless(out: Path) -> dict[str, dict[str, object]]:
    return {clip: {**record, "seconds": 0, "shard": None} for clip, record in records(out).items()}


def times(out: Path, clips: list[str]) -> list[int]:
    return [NTU.frame_path(out, "rgb", clip, 0).stat().st_mtime_ns for clip in clips]


@pytest.mark.parametrize("format_", ["folders", "shards"])
def test_parts_at_the_same_time_are_the_data_set_of_one_run(many: Path, tmp_path: Path, format_: Format) -> None:
    out, at_once, options = tmp_path / "data", tmp_path / "at_once", ("--only", FEW, "--format", format_)
    assert run(many, out, "--only", "*A001", "--format", format_) == 0  # what is there already is not done again
    parts = [start(many, out, *options, "--part", f"{number}/3") for number in (1, 2, 3)]
    for part in parts:
        _, errors = part.communicate(timeout=120)
        assert part.returncode == 0 and "without --part joins them" in errors, errors
    numbers = [len(records(folder)) for folder in sorted((out / "parts").iterdir())]
    assert sum(numbers) == 8 and len(numbers) == 3
    assert list(records(out)) == CLIPS[:1]
    assert run(many, out, *options) == 0
    assert not (out / "parts").exists() and run(many, at_once, *options) == 0
    assert timeless(out) == timeless(at_once) and contents(out) == contents(at_once)
    for name in ("dataset_splits/@CS/train.txt", "registration.json", "class_names.txt"):
        assert (out / name).read_text() == (at_once / name).read_text()


def test_a_part_that_works_is_not_joined_and_one_that_was_killed_is_finished(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    part = start(many, out, "--only", FEW, "--part", "1/2", "--jobs", "1")
    wait_until(lambda: len(read_records(out / "parts" / "1-of-2" / RECORDS_FILE)) > 0, part)
    part.send_signal(signal.SIGSTOP)  # or it might have ended before the join begins
    with pytest.raises(LockedError, match="1-of-2"):
        run(many, out, "--only", FEW)
    part.kill()
    part.communicate()
    done = list(read_records(out / "parts" / "1-of-2" / RECORDS_FILE))
    written = times(out / "parts" / "1-of-2", done)
    assert run(many, out, "--only", FEW) == 0
    assert times(out, done) == written
    assert list(records(out)) == CLIPS[:9] and len(contents(out)) == 9


def test_a_part_that_was_made_otherwise_is_not_joined(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    assert run(many, out, "--only", "*A00[12]", "--roi", "whole", "--part", "1/1") == 0
    with pytest.raises(DatasetError, match=r"1-of-1: was made with .*'roi': 'whole'.*remove it"):
        run(many, out, "--only", FEW)


@pytest.mark.parametrize("value", ["0/3", "4/3", "1", "a/b", "1/0"])
def test_other_parts_are_refused(many: Path, tmp_path: Path, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(many, tmp_path / "data", "--part", value)
    assert "expected K/N with K from 1 to N" in capsys.readouterr().err
