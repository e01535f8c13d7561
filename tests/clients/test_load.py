"""`python -m clients load`: what is asked when, what is counted from where, and what is told of it."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from clients.cli import main
from clients.load.report import bins_of, report_of
from clients.load.requests import Load, Request, even_arrivals, poisson_arrivals
from tests.support.client_recording import color_frames, write_frames
from tests.support.scripted import OK, scripted

BUSY = (429, {"Retry-After": "9", "Content-Type": "application/problem+json"}, b'{"error": "queue_full"}')


@pytest.fixture
def rgb(tmp_path: Path) -> Path:
    return write_frames(tmp_path / "rgb", color_frames(2), ".png")


def test_latencies_count_from_when_requests_were_due() -> None:
    num_asked = 0

    async def ask() -> None:
        nonlocal num_asked
        num_asked += 1
        if num_asked == 1:
            time.sleep(0.3)  # the generator itself is late

    requests: list[Request] = []
    asyncio.run(Load(ask, requests).open_loop(even_arrivals(rate=20, duration_s=0.2)))
    assert [request.start_s for request in requests] == [0, 0.05, 0.1, pytest.approx(0.15)]
    assert all(request.end_s >= 0.3 for request in requests)


def test_independent_requests_come_as_often_as_asked_on_average() -> None:
    due_s = list(poisson_arrivals(rate=100, duration_s=100, seed=1))
    assert due_s == sorted(due_s) and due_s[-1] < 100
    assert len(due_s) == pytest.approx(10_000, abs=400)  # four standard deviations
    assert due_s == list(poisson_arrivals(rate=100, duration_s=100, seed=1))
    gaps = sorted(after - before for before, after in pairwise(due_s))
    assert gaps[len(gaps) // 2] == pytest.approx(0.00693, rel=0.1)  # ln 2 of the mean, as chance has it


def test_a_report_counts_answers_refusals_and_failures_apart() -> None:
    requests = [Request(0.0, number / 1000, "answered", False) for number in range(1, 101)]
    requests += [Request(1.0, 1.0, "queue_full", True), Request(0.0, 0.5, "unreachable", False)]
    report = report_of(requests)
    assert (report.num_requests, report.num_answered, report.num_refused, report.num_failed) == (102, 100, 1, 1)
    assert (report.duration_s, report.throughput) == (2.0, 50.0)
    answered = report.outcomes[0]
    latency = answered.latency
    assert (answered.name, answered.num_requests) == ("answered", 100)
    assert (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.max_ms) == pytest.approx((50, 90, 99, 100))


@pytest.mark.parametrize("latencies_s", [[], [0.1], [0.1, 0.1], [0.0, 5.0], [0.01, 0.011, 0.02, 9.0]])
def test_a_histogram_has_each_answer_once(latencies_s: list[float]) -> None:
    bins = list(bins_of(latencies_s))
    assert sum(number for _, _, number in bins) == len(latencies_s)
    assert len(bins) <= 12
    assert [high for _, high, _ in bins[:-1]] == pytest.approx([low for low, _, _ in bins[1:]])


def test_an_open_loop_is_told_in_the_terminal_as_json_and_as_a_picture(
    rgb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["load", "--rgb", str(rgb), "--rate", "20", "--arrivals", "even", "--duration-s", "0.5"]
    words += ["--json", str(tmp_path / "load.json"), "--picture", str(tmp_path / "load.png")]
    with scripted(OK, BUSY, BUSY, BUSY, *[OK] * 7) as (url, server):
        assert main([*words, "--url", url]) == 0
        assert len(server.bodies) == 11  # one before the load; none is sent again
    said = capsys.readouterr().out.splitlines()
    assert max(map(len, said)) <= 80
    assert said[1].split()[:3] == ["answered", "7", "70.0%"] and said[2].split()[:3] == ["refused:", "queue_full", "3"]
    assert "10 requests in" in said[3] and "7 answered, 3 refused, 0 failed" in said[3]
    assert sum(int(line.split()[-1]) for line in said[4:]) == 7
    told = json.loads((tmp_path / "load.json").read_text())
    assert (told["load"], told["num_answered"]) == ("20 requests/s (even) for 0.5 s", 7)
    assert sorted(request["start_s"] for request in told["requests"]) == pytest.approx([n / 20 for n in range(10)])
    with Image.open(tmp_path / "load.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (1000, 760))
        assert len(picture.getcolors(1 << 16) or ()) > 5  # bars, dots of two kinds, text


def test_ctrl_c_in_a_closed_loop_tells_what_was_answered_so_far(rgb: Path) -> None:
    with scripted(*[OK] * 4) as (url, server):
        command = [sys.executable, "-m", "clients", "load", "--rgb", str(rgb), "--url", url, "--concurrency", "2"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            while len(server.bodies) < 6:  # one before the load, three answers, and two that are silent
                assert process.poll() is None
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            said, errors = process.communicate(timeout=60)
        assert server.most_at_once == 2
    assert (process.returncode, errors) == (130, "interrupted\n")
    assert "3 answered, 0 refused, 0 failed" in said


def test_mistakes_are_told_before_anything_is_sent(
    rgb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words, reason in (
        (["--rate", "0"], "--rate 0: give a number above 0"),
        (["--rate", "nan"], "--rate nan"),
        (["--concurrency", "0"], "--concurrency 0"),
        (["--duration-s=-1"], "--duration-s -1"),
        (["--json", str(tmp_path / "load.txt")], "--json"),
        (["--picture", str(rgb / "load.png")], "would be a frame of the recording"),
    ):
        assert main(["load", "--rgb", str(rgb), "--url", "http://127.0.0.1:9", *words]) == 2
        assert reason in capsys.readouterr().err
    monkeypatch.delitem(sys.modules, "clients.load.picture", raising=False)
    monkeypatch.setitem(sys.modules, "PIL", None)
    words = ["--picture", str(tmp_path / "load.png")]
    assert main(["load", "--rgb", str(rgb), "--url", "http://127.0.0.1:9", *words]) == 2
    assert "pip install '.[client,picture]'" in capsys.readouterr().err
    assert main(["load", "--rgb", str(rgb), "--url", "http://127.0.0.1:9"]) == 1
