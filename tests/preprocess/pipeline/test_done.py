"""What is finished stays finished, whatever becomes of a later attempt, and says so."""

import signal
from pathlib import Path

import pytest

from rgbd.dataset.layouts import CUSTOM, NTU
from rgbd.dataset.reading import open_clips, read_frames
from rgbd.dataset.records import RECORDS_FILE, read_records
from rgbd.dataset.splits import read_split
from rgbd.dataset.store import Format
from rgbd.errors import DatasetError
from tests.support.custom_runs import run as run_custom
from tests.support.custom_runs import write_csv, write_frames
from tests.support.folders import state
from tests.support.ntu_recordings import CLIP, CLIPS, OTHER_CLIP, make_recording
from tests.support.ntu_runs import run, start
from tests.support.processed import records
from tests.support.waiting import wait_until

FORMATS: tuple[Format, ...] = ("folders", "shards")


def frames_of(out: Path, clip: str) -> list[bytes]:
    """Return the decoded frames of a clip, wherever they are kept."""
    record = read_records(out / RECORDS_FILE)[clip]
    reader = open_clips(out, NTU)
    return [
        frame.tobytes()
        for stream in record.streams
        for frame in read_frames(reader, stream, clip, range(record.num_frames))
    ]


def listed(out: Path) -> set[str]:
    return {
        entry.clip
        for path in (NTU.split_file(out, "train", "CS"), NTU.split_file(out, "valid", "CS"))
        for entry in (read_split(path, NTU) if path.read_text() else ())
    }


def video_of(raw: Path, clip: str) -> Path:
    return raw / "nturgb+d_rgb" / f"{clip}_rgb.avi"


@pytest.mark.parametrize("format_", FORMATS)
def test_a_clip_that_cannot_be_done_again_is_kept(
    tmp_path: Path, format_: Format, capsys: pytest.CaptureFixture[str]
) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    for clip in (CLIP, OTHER_CLIP):
        make_recording(raw, clip)
    assert run(raw, out, "--format", format_) == 0
    before = {clip: frames_of(out, clip) for clip in (CLIP, OTHER_CLIP)}
    whole = video_of(raw, CLIP).read_bytes()
    video_of(raw, CLIP).write_bytes(b"")
    assert run(raw, out, "--format", format_, "--overwrite") == 1
    record = records(out)[CLIP]
    assert record["status"] == "done" and str(video_of(raw, CLIP)) in record["last_failure"]
    assert f"kept as it was: {CLIP}" in " ".join(capsys.readouterr().err.split())
    assert listed(out) == {CLIP, OTHER_CLIP}
    assert {clip: frames_of(out, clip) for clip in before} == before
    video_of(raw, CLIP).write_bytes(whole)
    assert run(raw, out, "--format", format_) == 0  # what has failed is tried again
    assert "last_failure" not in records(out)[CLIP]
    assert {clip: frames_of(out, clip) for clip in before} == before


def test_a_stream_that_comes_late_and_is_broken_leaves_the_first(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    assert run(raw, out, "--streams", "rgb") == 0
    before = frames_of(out, CLIP)
    depth = raw / "nturgb+d_depth" / CLIP / "Depth-00000003.png"
    whole = depth.read_bytes()
    depth.write_bytes(b"")
    assert run(raw, out) == 1
    record = records(out)[CLIP]
    assert (record["status"], record["streams"]) == ("done", ["rgb"]) and depth.name in record["last_failure"]
    assert listed(out) == {CLIP} and frames_of(out, CLIP) == before
    depth.write_bytes(whole)
    assert run(raw, out) == 0
    record = records(out)[CLIP]
    assert record["streams"] == ["rgb", "depth"] and "last_failure" not in record


def test_recordings_that_were_moved_away_leave_their_clips(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    rows = [
        {"clip": clip, "depth": str(write_frames(raw / clip)), "class": "wave", "split": "train"} for clip in ("a", "b")
    ]
    manifest = write_csv(tmp_path / "m.csv", *rows)
    assert run_custom(manifest, out, "--masks", "none") == 0
    before = state(out / "depth")
    (raw / "a").rename(tmp_path / "away")
    for options in (["--splits-only"], [], ["--overwrite"]):
        assert run_custom(manifest, out, "--masks", "none", *options) == 1
        assert [entry.clip for entry in read_split(CUSTOM.split_file(out, "train", ""), CUSTOM)] == ["a", "b"]
        assert "does not exist" in records(out)["a"]["last_failure"]
        assert state(out / "depth") == before
    (tmp_path / "away").rename(raw / "a")
    assert run_custom(manifest, out, "--masks", "none") == 0


@pytest.mark.parametrize("format_", FORMATS)
def test_only_what_was_chosen_is_done_again(tmp_path: Path, format_: Format) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    for clip in (CLIP, OTHER_CLIP):
        make_recording(raw, clip)
    assert run(raw, out, "--format", format_) == 0
    before, frames = records(out), {clip: frames_of(out, clip) for clip in (CLIP, OTHER_CLIP)}
    assert run(raw, out, "--format", format_, "--overwrite", "--only", CLIP) == 0
    after = records(out)
    assert after[OTHER_CLIP] == before[OTHER_CLIP]
    assert listed(out) == {CLIP, OTHER_CLIP}
    assert {clip: frames_of(out, clip) for clip in frames} == frames
    assert run(raw, out, "--format", format_, "--overwrite", "--splits-only") == 0
    assert records(out) == after and listed(out) == {CLIP, OTHER_CLIP}
    with pytest.raises(DatasetError, match=r"was made with .*without --only"):
        run(raw, out, "--format", format_, "--overwrite", "--only", CLIP, "--roi", "tracked")
    assert records(out) == after


def test_a_format_is_not_changed_in_place(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    assert run(raw, out) == 0
    before = state(out)
    with pytest.raises(DatasetError, match="another --out"):
        run(raw, out, "--format", "shards", "--overwrite")
    assert state(out) == before


def test_other_settings_reach_every_clip_however_often_that_is_interrupted(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    assert run(many, out) == 0
    process = start(many, out, "--roi", "tracked", "--overwrite")
    wait_until(
        lambda: sum(record.roi == "tracked" for record in read_records(out / RECORDS_FILE).values()) > 3, process
    )
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert {record.status for record in read_records(out / RECORDS_FILE).values()} == {"done"}
    assert len(listed(out)) == len(CLIPS)
    broken = video_of(many, CLIPS[-1])
    whole = broken.read_bytes()
    broken.write_bytes(b"")
    assert run(many, out, "--roi", "tracked") == 1
    by_clip = records(out)
    assert [record["roi"] for record in by_clip.values()] == [*["tracked"] * (len(CLIPS) - 1), "clip"]
    assert by_clip[CLIPS[-1]]["outdated"] == {"masks": "body", "roi": "clip"}
    broken.write_bytes(whole)
    assert run(many, out, "--roi", "tracked") == 0
    assert not any("outdated" in record or record["roi"] != "tracked" for record in records(out).values())


def test_no_character_in_a_name_or_a_reason_loses_records(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    assert run(raw, out) == 0
    for name in ("A\u2028B", "C\x85D", "E\x0cF", "G\udcffH"):  # the last one is no UTF-8
        video_of(raw, name).write_bytes(b"")
    for options in ([], ["--splits-only"], []):
        assert run(raw, out, *options) == 1
        kept = read_records(out / RECORDS_FILE)
        assert len(kept) == 5 and kept[CLIP].status == "done" and listed(out) == {CLIP}


def test_shards_without_records_are_left_alone(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    assert run(raw, out, "--format", "shards") == 0
    before = (out / RECORDS_FILE).rename(tmp_path / "away")
    shards = state(out / "shards")
    for options in ([], ["--splits-only"], ["--overwrite"]):
        with pytest.raises(DatasetError, match=r"no records\.jsonl .*put that back"):
            run(raw, out, "--format", "shards", *options)
    before.rename(out / RECORDS_FILE)
    (out / "shards" / "clips-mine.tar").touch()
    (out / "shards" / "clips-000007.tar").write_bytes(b"mine")
    assert run(raw, out, "--format", "shards") == 0
    assert shards.items() <= state(out / "shards").items()
    assert (out / "shards" / "clips-000007.tar").read_bytes() == b"mine"
