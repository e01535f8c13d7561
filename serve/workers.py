"""Decoder processes: where untrusted files are read, so that a crash or a flood of memory costs one request."""

import asyncio
import contextlib
import multiprocessing
import resource
import signal
from collections.abc import Callable
from http import HTTPStatus
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import cv2

from preprocess.errors import MediaError
from serve.errors import ServiceError

Argument = TypeVar("Argument")
Result = TypeVar("Result")

# A spawned process inherits no lock and no socket of the service.
_SPAWN = multiprocessing.get_context("spawn")


class Decoders:
    """A fixed number of processes, each at work on one request at a time."""

    def __init__(self, num_processes: int, memory_mb: int, deadline_s: float) -> None:
        self._idle: asyncio.Queue[_Decoder] = asyncio.Queue()
        self._all = [_Decoder(memory_mb) for _ in range(num_processes)]
        self._deadline_s = deadline_s
        for decoder in self._all:
            self._idle.put_nowait(decoder)

    async def run(self, function: Callable[[Argument], Result], argument: Argument) -> Result:
        """Return `function(argument)`, computed in a decoder process.

        Raises the `MediaError` that the function raises, and `ServiceError` when the process dies or takes too long.
        """
        decoder = await self._idle.get()
        try:
            # Shielded: a decoder is idle only when it has answered, even if nobody waits for the answer any more.
            return await asyncio.shield(asyncio.to_thread(decoder.call, function, argument, self._deadline_s))
        finally:
            self._idle.put_nowait(decoder)

    def close(self) -> None:
        """End all processes."""
        for decoder in self._all:
            decoder.close()


class _Decoder:
    """One process; it is started again when it was lost."""

    def __init__(self, memory_mb: int) -> None:
        self._memory_mb = memory_mb
        self._start()

    def _start(self) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=_serve_calls, args=(theirs, self._memory_mb), daemon=True)
        self.process.start()
        theirs.close()

    def call(self, function: Callable[[Argument], Result], argument: Argument, deadline_s: float) -> Result:
        """Return `function(argument)`; raises as `Decoders.run` does."""
        try:
            self._pipe.send((function, argument))
            if not self._pipe.poll(deadline_s):
                self._restart()
                raise ServiceError(
                    HTTPStatus.GATEWAY_TIMEOUT,
                    "deadline",
                    f"decoding took more than {deadline_s:g} s; cut out the motion, or scale its frames down",
                )
            succeeded, result = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._restart()
            raise ServiceError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "decoder_crashed",
                "the decoder crashed on these files; encode them again, or send them as zips of PNG or JPEG frames",
            ) from error
        if not succeeded:
            raise result
        value: Result = result
        return value

    def _restart(self) -> None:
        self.close()
        self._start()

    def close(self) -> None:
        self.process.kill()
        self.process.join()
        self._pipe.close()


def _serve_calls(pipe: Connection, memory_mb: int) -> None:
    """Answer calls until the other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the service ends its decoders
    memory = memory_mb << 20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    cv2.setNumThreads(1)  # the processes are the parallelism
    with contextlib.suppress(EOFError):
        while True:
            function, argument = pipe.recv()
            pipe.send(_outcome(function, argument))


def _outcome(function: Callable[[Any], Any], argument: object) -> tuple[bool, object]:
    try:
        return True, function(argument)
    except MediaError as error:
        return False, error
