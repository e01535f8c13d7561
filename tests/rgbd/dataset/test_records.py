"""Records: on the disk at once, readable after a kill, sorted in the end."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgbd.dataset.records import RECORDS_FILE, ClipRecord, Journal, SourceFile, read_records
from rgbd.errors import DatasetError


def test_records_are_on_the_disk_at_once_and_sorted_when_closed(tmp_path: Path) -> None:
    path = tmp_path / RECORDS_FILE
    journal = Journal(path)
    journal.add(ClipRecord(clip="b", status="failed", reason="x"))
    journal.add(ClipRecord(clip="a", status="done", label=0, warnings=("short",)))
    assert list(read_records(path)) == ["b", "a"]
    journal.add(ClipRecord(clip="b", status="done"))
    journal.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["clip"], line["status"]) for line in lines] == [("a", "done"), ("b", "done")]
    assert lines[0]["warnings"] == ["short"] and lines[0]["label"] == 0


@given(st.integers(0, 10_000))
def test_whatever_of_the_last_line_a_kill_leaves_the_others_count(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / RECORDS_FILE
    lines = [ClipRecord(clip=name, status="done").model_dump_json() + "\n" for name in ("a", "b")]
    path.write_text(lines[0] + lines[1][: cut % len(lines[1])])
    assert list(read_records(path)) == ["a"]
    journal = Journal(path)
    journal.add(ClipRecord(clip="c", status="done"))
    assert list(read_records(path)) == ["a", "c"]
    journal.close()


def test_any_other_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / RECORDS_FILE
    path.write_text('{"clip": "a", "status": "perhaps"}\n')
    with pytest.raises(DatasetError, match="line 1"):
        read_records(path)
    assert read_records(tmp_path / "missing") == {}


def test_records_are_amended_all_at_once(tmp_path: Path) -> None:
    path = tmp_path / RECORDS_FILE
    journal = Journal(path)
    for clip in "abc":
        journal.add(ClipRecord(clip=clip, status="failed", reason="x"))
    journal.amend({"a": ClipRecord(clip="a", status="done", made_from={"rgb": SourceFile(path="x.avi")})}, ["b"])
    kept = read_records(path)
    assert list(kept) == ["a", "c"] and kept["a"].made_from == journal.records["a"].made_from
