"""A service that answers as it is told, for what a real one does seldom, or never."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Scripted(ThreadingHTTPServer):
    """A server that gives the next of its answers (status, headers, body) to each POST, and keeps what was sent.

    After the last one it is silent until `closing` is set. It says that it is ready.
    """

    def __init__(self, answers: list[tuple[int, dict[str, str], bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.bodies: list[bytes] = []
        self.closing = threading.Event()
        self.most_at_once = 0
        self._at_once, self._lock = 0, threading.Lock()

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1


class _Handler(BaseHTTPRequestHandler):
    server: Scripted

    def do_POST(self) -> None:
        with self.server.counted():
            self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            if self.server.answers:
                self._answer(*self.server.answers.pop(0))
            else:
                self.server.closing.wait()

    def do_GET(self) -> None:
        self._answer(200, {}, b"")

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        with suppress(BrokenPipeError):  # a client that waits no more
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def scripted(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[tuple[str, Scripted]]:
    with Scripted(list(answers)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()


ANSWER = {
    "request_id": "r1",
    "model": {"name": "m", "version": "1", "modality": "rgb", "runtime": "r", "device": "cpu", "precision": "fp32"},
    "predictions": [{"label": "wave", "index": 0, "score": 1.0, "new_in_2030": True}],
    "streams": {},
    "windows": [],
    "clip": {"rgb_frames": 3, "depth_frames": None, "sampled": 4, "duration_s": None, "aligned_by": "index"},
    "timing_ms": {"total": 1.0},
    "warnings": [],
}
OK = (200, {"Content-Type": "application/json"}, json.dumps(ANSWER).encode())
