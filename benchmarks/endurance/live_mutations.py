"""Thousands of damaged frames: how live streams end by them, and whether another stream beside them notices.

Run: `python -m benchmarks.endurance.live_mutations [--messages 10000] [--seed 0]`, with a service of a tiny model. One
frame in six is damaged, in its header, its pixels or its length, or is noise altogether; the others are noise in a good
frame. A witness goes on beside them all. It fails where a session is closed without a reason, or hangs; where the
witness hears a wrong answer, or none; on a traceback in the log; and where streams stay open.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any

import httpx
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from benchmarks.support.faults import tell_faults
from benchmarks.support.server import running_server
from benchmarks.support.tiny_bundle import make_bundle
from clients.live.messages import END, Answer
from clients.live.session import Live
from rgbd.terminal import run_command
from serve.live.messages import ENCODINGS, HEADER, SUBPROTOCOL

SIZE, FPS, WINDOW_S = (64, 48), 20, 1.0
ANSWER_S = 30.0  # until a session must have ended
MOST_FRAMES = 40  # of a session
HELLO = json.dumps({"type": "hello", "streams": {"rgb": {"size": SIZE}}, "window_s": WINDOW_S, "prepared": True})
MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"\x28\xb5\x2f\xfd")  # of PNG, JPEG and Zstandard


def damaged(random: Random) -> Iterator[bytes]:
    """Yield frames of which some are damaged."""
    for number in count():
        header = [0, 0, 0, number * 1_000_000 // FPS]
        pixels = bytearray(random.randbytes(SIZE[0] * SIZE[1] * 3))
        match random.randrange(36):
            case 0:
                del pixels[random.randrange(len(pixels)) :]
            case 1:
                pixels += random.randbytes(random.randrange(1, 100_000))
            case 2:
                header[random.randrange(3)] = random.randrange(256)
            case 3:
                header[3] = random.randrange(1 << 64)
            case 4:
                kind = random.randrange(3)
                header[1], pixels[: len(MAGIC[kind])] = random.randrange(len(ENCODINGS)), MAGIC[kind]
            case 5:
                yield random.randbytes(random.randrange(200))
                continue
        yield HEADER.pack(*header) + pixels


def last_words(address: str, frames: Sequence[bytes]) -> dict[str, Any]:
    """Send frames in a session of their own, and return the last that is said; raises `TimeoutError` where it hangs."""
    last: dict[str, Any] = {}
    with connect(address, subprotocols=[Subprotocol(SUBPROTOCOL)], max_size=None) as socket:
        with suppress(ConnectionClosed):
            socket.send(HELLO)
            for frame in frames:
                socket.send(frame)
            socket.send(END)
        with suppress(ConnectionClosed):
            while True:
                last = json.loads(socket.recv(timeout=ANSWER_S))
    return last


class Witness:
    """A stream of red frames, of which every answer has to be red."""

    def __init__(self, url: str) -> None:
        self._live = Live(url, sizes={"rgb": SIZE}, window_s=WINDOW_S, prepared=True)
        self._is_over = Event()
        self.labels: Counter[str] = Counter()

    def __enter__(self) -> "Witness":
        self._live.__enter__()
        self._threads = [Thread(target=self._send), Thread(target=self._listen)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        self._live.__exit__()

    def _send(self) -> None:
        red = np.full((SIZE[1], SIZE[0], 3), (255, 0, 0), np.uint8)
        for number in count():
            self._live.send("rgb", number / FPS, red)
            if self._is_over.wait(1 / FPS):
                break
        self._live.end()

    def _listen(self) -> None:
        self.labels.update(said.predictions[0].label for said in self._live if isinstance(said, Answer))


def attack(url: str, num_messages: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Return how often sessions ended how, and what went wrong with them."""
    random, address = Random(seed), url.replace("http", "ws", 1) + "/live"
    frames, ends, faults = islice(damaged(random), num_messages), Counter[str](), list[str]()
    sessions = iter(lambda: list(islice(frames, random.randint(1, MOST_FRAMES))), [])
    expected = num_messages // (MOST_FRAMES // 2)  # as many as there are on average
    for sent in track(sessions, "attacking", total=expected, console=Console(stderr=True)):
        try:
            last = last_words(address, sent)
        except TimeoutError:
            faults.append(f"a session of {len(sent)} frames hung")
            continue
        ends[last["problem"]["error"] if last.get("type") == "problem" else str(last.get("type"))] += 1
        if last.get("type") not in ("problem", "ended"):
            faults.append(f"a session of {len(sent)} frames ended without a reason; the last it said was {last}")
    return ends, faults


def open_streams(url: str) -> float:
    """Return how many live streams are open."""
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("rgbd_motion_live_streams "))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000, help="%(default)s")
    parser.add_argument("--seed", type=int, default=0, help="%(default)s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bundle = make_bundle(Path(scratch) / "model", "rgb")
        with running_server(bundle, max_live=4, max_requests=5) as server:
            begun = time.monotonic()
            with Witness(server.url) as witness:
                ends, faults = attack(server.url, options.messages, options.seed)
            seconds = time.monotonic() - begun
            time.sleep(1)
            if num_open := open_streams(server.url):
                faults.append(f"{num_open:g} streams stayed open")
            if "Traceback" in server.log.read_text():
                faults.append(f"a traceback in the log:\n{server.log.read_text()[-4000:]}")
    if set(witness.labels) != {"red"} or witness.labels["red"] < seconds / WINDOW_S / 2:
        faults.append(f"the witness heard {dict(witness.labels)} in {seconds:.0f} s")
    table = Table("sessions that ended with", "number", box=None)
    for word, number in ends.most_common():
        table.add_row(word, str(number))
    console = Console(width=80, highlight=False)
    console.print(table)
    console.print(f"{options.messages} messages in {seconds:.0f} s; the witness heard {dict(witness.labels)}")
    return tell_faults(console, faults, "every session ended with a reason, and nothing else was harmed")


if __name__ == "__main__":
    run_command(main)
