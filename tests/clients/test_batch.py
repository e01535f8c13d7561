"""`python -m clients batch`: what is found below a folder, the table of answers, and going on after a stop."""

import csv
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.support.tiny_bundle import make_bundle
from clients.batch.find import find_recordings
from clients.cli import main
from clients.client import Client
from tests.support.client_recording import color_frames, write_frames, write_recording
from tests.support.scripted import OK, scripted
from tests.support.server import running_server


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_server(make_bundle(tmp_path_factory.mktemp("bundle"))) as server:
        yield server.url


def place(folder: Path, *names: str) -> None:
    """Put files below a folder; those that end in a slash are folders of two frames."""
    for name in names:
        frames = [f"{name}{number}.png" for number in (1, 2)] if name.endswith("/") else [name]
        for frame in frames:
            (folder / frame).parent.mkdir(parents=True, exist_ok=True)
            (folder / frame).write_bytes(b"nothing")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("wave.mp4", "wave_depth.mkv"), [("wave.mp4", "wave_depth.mkv")]),
        (("a/color.mp4", "a/Depth/"), [("a/color.mp4", "a/Depth")]),
        (("rgb/1.mp4", "rgb/2.mp4", "depth/1.mkv"), [("rgb/1.mp4", "depth/1.mkv"), ("rgb/2.mp4", "")]),
        (("10.bag", "9.bag"), [("9.bag", ""), ("10.bag", "")]),
        (("s1/colour/", "s1/depth/", "s1/notes.txt"), [("s1/colour", "s1/depth")]),
        (("depth_wave.npy", "wave-RGB.npy", "wave.mp4"), [("wave-RGB.npy", "depth_wave.npy"), ("wave.mp4", "")]),
        (("a_rgb_depth.mkv", "a_depth.mkv"), [("", "a_depth.mkv"), ("a_rgb_depth.mkv", "")]),
        (("depth of field/a_rgb.mp4", "depth of field/a_depth.mkv"), [("depth of field/a_rgb.mp4",) * 2]),
        (("a01_sdepth.bin", "indepth.mp4"), [("", "a01_sdepth.bin"), ("indepth.mp4", "")]),
        ((".hidden.mp4", ".cache/a.mp4", "__MACOSX/a.mp4", "a.mp4"), [("a.mp4", "")]),
    ],
)
def test_recordings_are_found_by_their_names(
    tmp_path: Path, names: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    place(tmp_path, *names)
    expected = [(rgb, depth.replace("a_rgb.mp4", "a_depth.mkv")) for rgb, depth in expected]
    assert [recording.key for recording in find_recordings(tmp_path)] == expected


def test_what_could_be_several_recordings_is_said_and_links_are_followed_once(tmp_path: Path) -> None:
    place(tmp_path / "disk", "a.mp4", "a.avi", "a_depth.mkv")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "linked").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "round").symlink_to(tmp_path / "here")
    (unclear,) = find_recordings(tmp_path / "here")
    assert "linked/a.avi, linked/a.mp4, linked/a_depth.mkv: it is not clear which" in unclear.unclear


def rows_of(out: Path) -> list[dict[str, str]]:
    with out.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_table_is_filled_and_what_failed_or_changed_is_asked_anew(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "lab", tmp_path / "results.csv"
    for name in ("first", "second"):
        (folder / name).mkdir(parents=True)
        write_recording(folder / name)
    place(folder, "third_rgb.mp4", "third_depth.mkv")
    words = ["batch", str(folder), "--out", str(out), "--url", url, "--top-k", "2"]

    def states() -> list[str]:
        assert main([*words, "--list"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= 80
        return [line.split()[-1] for line in lines[1:-1]]

    assert states() == ["new", "new", "new"] and not out.exists()
    assert main(words) == 1
    said = capsys.readouterr()
    assert "2 answered, 1 failed, 0 done before" in said.out and "third_rgb.mp4 third_depth.mkv: " in said.err
    first, second, third = rows_of(out)
    assert (first["rgb"], first["depth"]) == ("first/wave_rgb.mp4", "first/wave_depth.mkv")
    with Client(url) as client:
        best, second_best = client.predict(folder / first["rgb"], folder / first["depth"]).predictions[:2]
    assert (first["label"], first["model"], first["error"]) == (best.label, "tiny", "")
    assert (first["score"], first["score_2"]) == (f"{best.score:.6f}", f"{second_best.score:.6f}")
    assert (third["label"], third["error"]) == ("", "unknown_container") and third["message"]
    assert states() == ["done", "done", "failed"]

    write_recording(folder)
    for stream, suffix in (("rgb", "mp4"), ("depth", "mkv")):
        (folder / f"wave_{stream}.{suffix}").replace(folder / f"third_{stream}.{suffix}")
    write_recording(folder / "first", num_frames=14)
    assert states() == ["changed", "done", "changed"]
    assert main(words) == 0
    assert "2 answered, 0 failed, 1 done before" in capsys.readouterr().out
    assert [row["error"] for row in rows_of(out)] == [""] * 3
    assert rows_of(out)[1] == second
    words[-1] = "1"
    assert states() == ["changed"] * 3  # it is another question


def test_ctrl_c_keeps_what_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = tmp_path / "lab", tmp_path / "results.csv"
    place(folder, *(f"{number}.mp4" for number in range(1, 6)))
    words = ["batch", str(folder), "--out", str(out), "--concurrency", "1"]
    with scripted(OK, OK) as (url, server):
        command = [sys.executable, "-m", "clients", *words, "--url", url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            while len(server.bodies) < 3:  # it waits for the third answer
                assert process.poll() is None
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            said, errors = process.communicate(timeout=60)
    assert (process.returncode, said, errors) == (130, "", "interrupted\n")
    assert [row["rgb"] for row in rows_of(out)] == ["1.mp4", "2.mp4"]
    with scripted(*[OK] * 3) as (url, server):
        assert main([*words, "--url", url]) == 0
        assert len(server.bodies) == 3
    assert "3 answered, 0 failed, 2 done before" in capsys.readouterr().out
    assert [row["label"] for row in rows_of(out)] == ["wave"] * 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lab", "results.csv"]


def test_mistakes_end_with_2_and_touch_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lab, empty, notes, other = (tmp_path / name for name in ("lab", "empty", "notes.csv", "other.csv"))
    place(lab, "a.mp4")
    empty.mkdir()
    notes.write_text("when,what\n1,2\n")
    with scripted(OK) as (url, _):
        assert main(["batch", str(lab), "--out", str(other), "--url", url]) == 0
    (lab / "a.mp4").rename(lab / "b.mp4")
    before = other.read_text()
    (lab / "link.csv").hardlink_to(lab / "b.mp4")
    for words, reason in (
        ([lab], "--out is missing"),
        ([empty, "--list"], "holds no recordings"),
        ([tmp_path / "nowhere", "--list"], "is no folder"),
        ([lab, "--out", notes], "no table of answers"),
        ([lab, "--out", other], "holds the answers of other recordings"),
        ([lab, "--out", tmp_path / "results.txt"], "let it end in .csv"),
        ([lab, "--out", tmp_path / "new.csv", "--concurrency", "0", "--url", "http://127.0.0.1:9"], "concurrency 0"),
    ):
        assert main(["batch", *map(str, words)]) == 2, words
        assert reason in capsys.readouterr().err
    assert main(["batch", str(lab), "--out", str(tmp_path / "new.csv"), "--url", "http://127.0.0.1:9"]) == 1
    assert "is the service running?" in capsys.readouterr().err
    assert (notes.read_text(), other.read_text()) == ("when,what\n1,2\n", before)
    assert main(["batch", str(lab), "--out", str(lab / "link.csv"), "--url", "http://127.0.0.1:9"]) == 2
    assert (lab / "b.mp4").read_bytes() == b"nothing"


def test_a_folder_of_frames_is_one_recording_and_a_changed_frame_another(url: str, tmp_path: Path) -> None:
    folder, out = tmp_path / "lab", tmp_path / "results.csv"
    rgb = write_frames(folder / "rgb", color_frames(3), ".png")
    assert main(["batch", str(folder), "--out", str(out), "--url", url]) == 1  # the model needs depth, too
    (row,) = rows_of(out)
    assert (row["rgb"], row["error"]) == ("rgb", "missing_stream")
    (rgb / "frame_2.png").write_bytes(b"another")
    assert find_recordings(folder)[0].fingerprint({}) != row["fingerprint"]
