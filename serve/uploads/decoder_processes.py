"""Decoder processes: where untrusted files are read, so that a crash or a flood of memory costs one request."""

import asyncio
import contextlib
import fcntl
import math
import multiprocessing
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import BufferTooShort
from multiprocessing.connection import Connection
from typing import TypeVar

import cv2

from rgbd.errors import MediaError
from rgbd.interrupt import CTRL_C, KILLED, blocked_in_new_processes
from serve.concurrency.threads import in_thread
from serve.errors import DecoderCrashedError, DecoderKilledError
from serve.uploads.ipc import DecoderReply, Facts, receive_reply, send_error, send_reply

Argument = TypeVar("Argument")

_PIPE_BYTES = 1 << 20  # what Linux allows everybody
_NICE = 5  # below the network, which all wait for: its threads wait for each other, and one that is held up holds all
_START_S = 60  # until a process must say that it is ready: it imports for a second or two
_TRIAL_S = 60  # that a tiny clip may take when the service starts
_READY = b"ready"
_CALLS = 500  # of one process: what decoders leak, and what a file may have done to one, ends with it
_DYING_S = 5  # after its pipe has closed, a process may take a moment to end

# A spawned process inherits no lock and no socket of the service.
_SPAWN = multiprocessing.get_context("spawn")

# What comes of a process that has died, or that a file has taken over.
_CRASHES = (EOFError, OSError, ValueError, BufferTooShort)


class Decoders:
    """A fixed number of processes, each at work on one request at a time."""

    def __init__(self, num_processes: int, memory_mb: int, cpu_s: int) -> None:
        self._all = [DecoderProcess(memory_mb, cpu_s) for _ in range(num_processes)]
        self._idle: asyncio.Queue[DecoderProcess] = (
            asyncio.Queue()
        )  # ready for calls, but for those that died meanwhile
        self._unready: asyncio.Queue[DecoderProcess] = asyncio.Queue()

    def try_one(
        self, function: Callable[[Argument], DecoderReply[Facts]], kind: type[Facts], argument: Argument
    ) -> None:
        """Have `function(argument)` computed in the first process, which is ready for calls then; before `start`.

        Raises as `run` does, and `RuntimeError` or `OSError` where no process can be started.
        """
        decoder = self._all[0]
        decoder.start()
        decoder.make_ready()
        limit = threading.Timer(_TRIAL_S, decoder.kill)
        limit.start()
        try:
            decoder.call(function, kind, argument)
        except DecoderKilledError as error:
            if limit.finished.is_set():
                raise RuntimeError(f"a decoder process did not answer within {_TRIAL_S} s") from error
            raise
        finally:
            limit.cancel()
        self._idle.put_nowait(decoder)

    def start(self) -> None:
        """Start all processes but for one that was tried; `keep_ready` has them take calls."""
        for decoder in self._all[self._idle.qsize() :]:
            decoder.start()
            self._unready.put_nowait(decoder)

    async def keep_ready(self) -> None:
        """Put new processes in the places of those that died or have done their share, one after the other.

        Works until cancelled; several calls work side by side. Raises `RuntimeError` or `OSError` where a process
        cannot be started, and can be called again then.
        """
        while True:
            decoder = await self._unready.get()
            try:
                await in_thread("decoder", decoder.make_ready)
            except BaseException:
                self._unready.put_nowait(decoder)
                raise
            self._idle.put_nowait(decoder)

    async def run(
        self, function: Callable[[Argument], DecoderReply[Facts]], kind: type[Facts], argument: Argument
    ) -> DecoderReply[Facts]:
        """Return `function(argument)`, computed in a decoder process, which is killed when this call is cancelled.

        Its facts must be of this kind. Raises the `MediaError` that the function raises, and `ServiceError` when the
        process dies, or answers nonsense. No upload is to blame where somebody else kills the process, as the system
        does where memory runs out: the call is tried once more then.
        """
        with contextlib.suppress(DecoderKilledError):
            return await self._run_once(function, kind, argument)
        return await self._run_once(function, kind, argument)

    async def _run_once(
        self, function: Callable[[Argument], DecoderReply[Facts]], kind: type[Facts], argument: Argument
    ) -> DecoderReply[Facts]:
        while (decoder := await self._idle.get()).is_worn:
            self._unready.put_nowait(decoder)
        try:
            work = in_thread("decoder", decoder.call, function, kind, argument)
        except BaseException:
            self._idle.put_nowait(decoder)
            raise
        # Shielded: a decoder is idle when it has answered or died, whether or not anybody still waits for it.
        work.add_done_callback(lambda done: self._release(decoder, done))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            if not work.done():  # else the decoder may be at work on another request already
                decoder.kill()
            raise

    def _release(self, decoder: "DecoderProcess", work: asyncio.Future[DecoderReply[Facts]]) -> None:
        (self._unready if decoder.is_worn else self._idle).put_nowait(decoder)
        work.exception()  # looked at: asyncio reports what nobody looks at, and who asked may be gone

    def close(self) -> None:
        """End all processes."""
        for decoder in self._all:
            decoder.kill()


class DecoderProcess:
    """One process; another takes its place when it was lost or killed, or has done its share."""

    def __init__(self, memory_mb: int, cpu_s: int) -> None:
        self._memory_mb, self._cpu_s = memory_mb, cpu_s

    def start(self) -> None:
        """Start a process; `make_ready` says when it takes calls."""
        self._num_calls = 0
        # NumPy's and OpenCV's algebra reserve 90 MB of addresses for each core as they are imported. That counts
        # against the limit, and on a machine with many cores a decoder would begin its life beyond it.
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        their_calls, self._calls = _SPAWN.Pipe(duplex=False)
        self._answers, their_answers = _SPAWN.Pipe(duplex=False)
        for end in (self._calls, their_answers):
            with contextlib.suppress(OSError):  # a clip has ten megabytes, a pipe 64 kB unless it may have more
                fcntl.fcntl(end.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        theirs = (their_calls, their_answers)
        process = _SPAWN.Process(target=_serve_calls, args=(*theirs, self._memory_mb, self._cpu_s), daemon=True)
        with blocked_in_new_processes(CTRL_C):  # the service goes on with the requests at work
            process.start()
        self._process = process  # only now: `kill` may come at any time, from another thread
        for end in theirs:
            end.close()

    def call(
        self, function: Callable[[Argument], DecoderReply[Facts]], kind: type[Facts], argument: Argument
    ) -> DecoderReply[Facts]:
        """Return `function(argument)`; raises as `Decoders.run` does."""
        self._num_calls += 1
        try:
            self._calls.send((function, argument))
            return receive_reply(self._answers, kind)
        except MediaError:
            raise
        except BaseException as error:
            was_killed = isinstance(error, EOFError | OSError) and self._was_killed()
            self._end()  # half of its answer may still be in the pipe
            if not isinstance(error, _CRASHES):
                raise
            if was_killed:
                raise DecoderKilledError(
                    "the process that decoded these files was killed, as the system does where memory runs out; send "
                    "them again later"
                ) from error
            raise DecoderCrashedError(
                "the decoder crashed on these files; encode them again, or send them as zips of PNG or JPEG frames",
            ) from error

    def _was_killed(self) -> bool:
        """Return whether a process whose pipe has closed was killed: none of its limits does that."""
        self._process.join(_DYING_S)
        return self._process.exitcode == KILLED

    @property
    def is_worn(self) -> bool:
        """Whether the process has done its share, or has died."""
        return self._num_calls >= _CALLS or self.is_dead

    @property
    def is_dead(self) -> bool:
        """Whether the process has died."""
        return not self._process.is_alive()

    def make_ready(self) -> None:
        """Return when a process is ready for calls, a new one where this one is worn; raises where it is not soon."""
        if self.is_worn:
            self._end()
            self.start()
        with contextlib.suppress(EOFError, OSError):
            if self._answers.poll(_START_S) and self._answers.recv_bytes() == _READY:
                return
        self._end()
        raise RuntimeError(f"a decoder process was not ready within {_START_S} s, or ended ({self._process.exitcode})")

    def kill(self) -> None:
        """Kill the process, which may seem alive for a moment yet."""
        self._num_calls = _CALLS
        self._process.kill()

    def _end(self) -> None:
        self.kill()
        self._process.join()
        self._calls.close()
        self._answers.close()


def _serve_calls(calls: Connection, answers: Connection, memory_mb: int, cpu_s: int) -> None:
    """Answer calls until the other end is gone."""
    os.nice(_NICE)
    memory = memory_mb << 20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    cv2.setNumThreads(1)  # the processes are the parallelism
    _silence_libraries()
    answers.send_bytes(_READY)
    with contextlib.suppress(EOFError):
        while True:
            _serve_call(calls, answers, cpu_s)


def _silence_libraries() -> None:
    """Leave standard error to Python: what C libraries find wrong with a file is in the answer, and is no log line."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _serve_call(calls: Connection, answers: Connection, cpu_s: int) -> None:
    """Answer one call; its clip is forgotten with it, not when the next one comes."""
    function, argument = calls.recv()
    # The system counts over the process's life, and ends it at the limit.
    limit_s = math.ceil(time.process_time()) + cpu_s
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s, resource.RLIM_INFINITY))
    try:
        reply = function(argument)
    except MediaError as error:
        send_error(answers, error)
    else:
        send_reply(answers, reply)
