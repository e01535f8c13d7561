"""`python -m tests.support.saboteur PART[NUMBER]`: the service, with a part of it broken."""

import asyncio
import errno
import itertools
import multiprocessing
import os
import signal
import sys
import time
from typing import Any

import numpy as np
from starlette.exceptions import HTTPException

from export.runtimes import Inputs, Outputs, Runtime
from rgbd.terminal import run_command
from serve.__main__ import main
from serve.errors import UnusableClipError
from serve.inference import batching, loading
from serve.inference.batching import TooLateError
from serve.uploads import decoder_processes
from serve.uploads.decoder_processes import Decoders

FAILURES: tuple[BaseException, ...] = (
    StopIteration(),
    StopAsyncIteration(),
    SystemExit(0),
    KeyboardInterrupt(),
    GeneratorExit(),
    asyncio.CancelledError(),
    ExceptionGroup("several", [ValueError()]),
    BaseExceptionGroup("several", [SystemExit(0)]),
    TimeoutError("the card does not answer"),
    OSError(errno.ENOSPC, "No space left on device"),
    HTTPException(418),
    UnusableClipError("not the user's fault"),
    TooLateError(),
)
"""What may come out of a runtime, or of a worker."""


class FailingRuntime:
    """A runtime that fails once in each way, and gives NaN then, before it works."""

    def __init__(self, runtime: Runtime) -> None:
        self.info, self._runtime, self._failures = runtime.info, runtime, list(FAILURES)
        self._is_sound = False

    def infer(self, inputs: Inputs) -> Outputs:
        if self._failures:
            raise self._failures.pop(0)
        outputs = self._runtime.infer(inputs)
        factor = np.float32(1 if self._is_sound else np.nan)
        self._is_sound = True
        return {name: values * factor for name, values in outputs.items()}


def break_runtimes() -> None:
    """Have models fail once they are loaded."""
    load = loading.load_runtime
    loading.load_runtime = lambda *args: FailingRuntime(load(*args))  # type: ignore[assignment]


def break_network(num_times: int) -> None:
    """Have the system start no thread for the network, so many times."""
    in_thread, failures = batching.in_thread, [RuntimeError("can't start new thread")] * num_times

    def start(*args: Any) -> Any:
        if failures:
            raise failures.pop()
        return in_thread(*args)

    batching.in_thread = start


def break_workers(end: type[BaseException]) -> None:
    """Have what keeps decoders ready end with an exception that would end a process, whenever it is started."""

    async def fail(_: Decoders) -> None:
        raise end

    Decoders.keep_ready = fail  # type: ignore[method-assign]


def break_decoders() -> None:
    """Have decoder processes end before they do anything."""
    multiprocessing.set_executable("/bin/false")


def hang_decoders() -> None:
    """Have decoder processes never answer a call."""
    decoder_processes._TRIAL_S = 1
    make_ready = decoder_processes.DecoderProcess.make_ready

    def make_ready_and_stop(decoder: Any) -> None:
        make_ready(decoder)
        os.kill(decoder._process.pid, signal.SIGSTOP)

    decoder_processes.DecoderProcess.make_ready = make_ready_and_stop  # type: ignore[method-assign]


def break_later_decoders() -> None:
    """Have decoder processes end so, but for the one that is tried when the service starts."""
    start = Decoders.start

    def break_and_start(decoders: Decoders) -> None:
        break_decoders()
        start(decoders)

    Decoders.start = break_and_start  # type: ignore[method-assign]


def break_lifespan() -> None:
    """Have the service fail as it begins to listen."""

    def fail(_: Decoders) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    Decoders.start = fail  # type: ignore[method-assign]


def break_clock(step_s: float) -> None:
    """Have the wall clock be set anew whenever somebody looks at it."""
    read, steps = time.time, itertools.count(1)
    time.time = lambda: read() + next(steps) * step_s


if __name__ == "__main__":
    part = sys.argv.pop()
    if part == "decoders":
        break_decoders()
    elif part == "hanging-decoders":
        hang_decoders()
    elif part == "later-decoders":
        break_later_decoders()
    elif part == "runtimes":
        break_runtimes()
    elif part == "lifespan":
        break_lifespan()
    elif part.startswith("clock"):
        break_clock({"clock-forward": 3600.0, "clock-back": -3600.0}[part])
    elif part.startswith("network"):
        break_network(int(part.removeprefix("network")))
    else:
        break_workers({"SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt}[part])
    run_command(main)
