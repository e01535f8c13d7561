"""Runs that are stopped, killed, narrowed or go wrong: nothing lost, nothing done twice, nothing half-done trusted."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from preprocess.pipeline.process_engine import ProcessEngine, WorkerDied
from rgbd.dataset.layouts import NTU
from rgbd.dataset.records import RECORDS_FILE, read_records
from rgbd.dataset.splits import read_split
from rgbd.errors import DatasetError, UserError
from tests.support.ntu_recordings import CLIP, CLIPS, OTHER_CLIP, make_recording
from tests.support.ntu_runs import output_of, run, start, times_of
from tests.support.processed import records
from tests.support.waiting import wait_until


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_cleanly_and_the_next_run_goes_on(many: Path, tmp_path: Path, number: int) -> None:
    out = tmp_path / "data"
    process = start(many, out)
    wait_until(lambda: len(read_records(out / RECORDS_FILE)) >= 2, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, errors
    assert "Traceback" not in errors
    assert not list(out.rglob("*.tmp*"))
    before = times_of(out)
    assert 2 <= len(before) < len(CLIPS)
    assert run(many, out) == 0
    after = times_of(out)
    assert sorted(after) == CLIPS and before.items() <= after.items()


def has_workers(pid: int) -> bool:
    """Whether a process has started others to work for it."""
    return any("spawn_main" in " ".join(child.cmdline()) for child in psutil.Process(pid).children())


def test_ctrl_c_ends_it_without_a_word_of_its_processes(many: Path, tmp_path: Path) -> None:
    process = start(many, tmp_path / "data", prefix=("setsid",))
    wait_until(lambda: has_workers(process.pid), process)
    time.sleep(0.2)  # they import for longer than that
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in errors and "Traceback" not in errors


@pytest.mark.parametrize("num_done", [0, 1, 5, 12])
def test_a_killed_run_goes_on_where_it_was_and_trusts_nothing_half_written(
    many: Path, tmp_path: Path, num_done: int
) -> None:
    out = tmp_path / "data"
    process = start(many, out)
    wait_until(lambda: len(read_records(out / RECORDS_FILE)) >= num_done and any(out.glob("Images/.*.tmp*")), process)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    psutil.wait_procs(workers, timeout=10)  # they end with it, but a moment later, and hold its lock so long
    before = times_of(out)
    assert run(many, out) == 0
    after = times_of(out)
    assert before.items() <= after.items()
    assert sorted(after) == CLIPS and list(read_records(out / RECORDS_FILE)) == CLIPS
    for clip in CLIPS:
        assert len(output_of(out, clip)) == 2 and all(
            len(list(folder.iterdir())) == 12 for folder in output_of(out, clip)
        )
    assert not list(out.rglob("*.tmp*"))  # what the killed run left


def test_a_clip_whose_files_are_gone_is_done_again_and_a_failed_one_is_tried_again(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    make_recording(raw, OTHER_CLIP)
    video = raw / "nturgb+d_rgb" / f"{OTHER_CLIP}_rgb.avi"
    whole = video.read_bytes()
    video.write_bytes(b"")
    assert run(raw, out) == 1
    NTU.frame_path(out, "depth", CLIP, 0).unlink()
    video.write_bytes(whole)
    assert run(raw, out) == 0
    assert NTU.frame_path(out, "depth", CLIP, 0).exists() and records(out)[OTHER_CLIP]["status"] == "done"


def test_only_and_limit_choose_clips_and_split_files_list_what_any_run_has_done(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    assert run(many, out, "--only", "*A00?", "--limit", "2") == 0
    assert list(records(out)) == CLIPS[:2]
    assert run(many, out, "--only", "*A030") == 0
    assert [entry.clip for entry in read_split(NTU.split_file(out, "train", "CS"), NTU)] == [*CLIPS[:2], CLIPS[-1]]
    with pytest.raises(UserError, match=r"A999.*matches none of 30 clips"):
        run(many, out, "--only", "*A999")


def test_streams_can_be_made_one_after_the_other(tmp_path: Path) -> None:
    raw, apart, at_once = tmp_path / "raw", tmp_path / "apart", tmp_path / "at_once"
    make_recording(raw, depth_frames=4)
    assert run(raw, apart, "--streams", "depth") == 0
    assert not list(apart.glob("Images/*"))
    assert run(raw, apart, "--streams", "rgb") == 0
    assert run(raw, at_once) == 0
    one, other = ({**records(out)[CLIP], "seconds": 0} for out in (apart, at_once))
    assert one == other
    contents = [
        {
            str(path.relative_to(out)): path.read_bytes()
            for path in out.rglob("*.*")
            if path.suffix in (".jpg", ".png", ".txt")
        }
        for out in (apart, at_once)
    ]
    assert contents[0] == contents[1] and len(contents[0]) > 8


def test_splits_alone_are_written_from_the_records(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    assert run(raw, out) == 0
    split = NTU.split_file(out, "train", "CS")
    text = split.read_text()
    split.unlink()
    written = times_of(out)
    assert run(raw, out, "--splits-only") == 0
    assert split.read_text() == text and times_of(out) == written


def test_a_second_command_is_refused_and_the_first_goes_on(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    first = start(many, out, "--only", "*A00*")
    wait_until(lambda: len(read_records(out / RECORDS_FILE)) >= 1, first)
    first.send_signal(signal.SIGSTOP)  # or it might have ended before the second begins
    second = start(many, out, "--only", "*A01*")
    _, errors = second.communicate(timeout=60)
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 2 and f"process {first.pid} on " in errors and "Traceback" not in errors
    _, errors = first.communicate(timeout=60)
    assert first.returncode == 0, errors
    assert list(records(out)) == CLIPS[:9]
    assert run(many, out, "--only", "*A01*") == 0  # it has left no lock
    assert list(records(out)) == CLIPS[:19] and not (out / ".lock").exists()


def test_other_settings_are_refused_unless_all_is_to_be_done_again(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    assert run(raw, out) == 0
    with pytest.raises(DatasetError, match=r"was made with .*'roi': 'clip'.*--overwrite"):
        run(raw, out, "--roi", "tracked")
    assert run(raw, out, "--roi", "tracked", "--overwrite") == 0
    assert records(out)[CLIP]["roi"] == "tracked"


def test_a_full_disk_stops_the_run_cleanly_and_says_so(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    no_room = ("prlimit", "--fsize=4000")  # bytes a file: the nearest to a full disk that needs no mount
    process = start(many, out, prefix=no_room)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "cannot be written (File too large); make room" in " ".join(errors.split())
    assert "Traceback" not in errors and not list(out.glob("Images/*"))
    assert run(many, out, "--limit", "3") == 0


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    make_recording(raw)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Not a directory"):
        run(raw, tmp_path / "file" / "data")


def kill_own_process(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_job_that_kills_its_process_costs_itself_alone() -> None:
    results = dict(ProcessEngine(2).run(kill_own_process, range(8)))
    assert isinstance(results.pop(3), WorkerDied)
    assert results == {number: number for number in range(8) if number != 3}


def test_workers_end_with_a_parent_that_was_killed(many: Path, tmp_path: Path) -> None:
    process = start(many, tmp_path / "data")
    wait_until(lambda: len(workers_of(process.pid)) == 2, process)
    workers = workers_of(process.pid)
    process.kill()
    process.communicate()
    wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def workers_of(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in children if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]
