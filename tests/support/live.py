"""A client of `/live` that says what it likes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import zstandard
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from benchmarks.support.server import RunningServer
from rgbd.recording.stills.images import encode_image
from rgbd.types import Frame, Stream
from serve.live.messages import ENCODINGS, HEADER, STREAMS, SUBPROTOCOL, Encoding

SIZE = (64, 48)


class Talk:
    """One connection: what is sent, and what is said."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def hello(self, *streams: Stream, size: tuple[int, int] = SIZE, **asked: Any) -> dict[str, Any]:
        """Say hello, and return the answer."""
        self.say(type="hello", streams={stream: {"size": size} for stream in streams}, **asked)
        return self.heard()

    def say(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def frame(self, stream: Stream, time_s: float, frame: Frame, encoding: Encoding = "raw") -> None:
        self.socket.send(packed(stream, time_s, frame, encoding))

    def heard(self) -> dict[str, Any]:
        """Return the next message."""
        message: dict[str, Any] = json.loads(self.socket.recv(timeout=60))
        return message

    def rest(self) -> list[dict[str, Any]]:
        """Return all that is said up to the end."""
        found = []
        try:
            while True:
                found.append(self.heard())
        except ConnectionClosed:
            return found

    def end(self) -> list[dict[str, Any]]:
        """Say that no more frames come, and return all that is said from here on."""
        self.say(type="end")
        return self.rest()

    @property
    def closed_with(self) -> tuple[int | None, str | None]:
        return self.socket.close_code, self.socket.close_reason


def packed(stream: Stream, time_s: float, frame: Frame, encoding: Encoding = "raw") -> bytes:
    """Return a frame as it is sent."""
    header = HEADER.pack(STREAMS.index(stream), ENCODINGS.index(encoding), 0, round(time_s * 1e6))
    pixels = np.ascontiguousarray(frame).tobytes()
    if encoding in ("jpeg", "png"):
        pixels = encode_image(".jpg" if encoding == "jpeg" else ".png", frame)
    elif encoding == "zstd":
        pixels = zstandard.compress(pixels)
    return header + pixels


@contextmanager
def talking(server: RunningServer, protocols: tuple[str, ...] = (SUBPROTOCOL,), **options: Any) -> Iterator[Talk]:
    """Open `/live`."""
    address = server.url.replace("http", "ws", 1) + "/live"
    with connect(address, subprotocols=list(protocols) or None, max_size=None, **options) as socket:
        yield Talk(socket)
