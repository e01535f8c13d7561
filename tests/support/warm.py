"""`python -m tests.support.warm`: commands in new processes that need not import torch anew, which takes most of a run.

A server imports what is large and not ours, and forks a process for each command. There it runs as `python -m` runs
it: with its own arguments, environment, folder, output and exit code, and with nothing of ours imported but `export`'s
first lines. A server has one thread, and does nothing but this, so that its forks inherit no state.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import export  # noqa: F401  it switches telemetry off: before a runtime is imported

_LARGE = (
    "cv2", "av", "jinja2", "pydantic", "rich.progress", "rich.table", "yaml",
    "torch", "torch._dynamo", "torch.onnx._internal.exporter._core", "torch.utils.tensorboard", "torchmetrics",
    "fastapi", "prometheus_client", "psutil", "pydantic_settings", "uvicorn",
    "onnx", "onnxruntime", "onnxscript", "openvino",
)  # fmt: skip
_MESSAGE_BYTES = 1 << 20


class WarmProcess:
    """`python -m command` in a process forked from this process's server, with what tests use of `subprocess.Popen`.

    Its outputs go to these two files, by their numbers, which stay the caller's.
    """

    returncode: int | None = None

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], outputs: tuple[int, int], *, new_session: bool = False
    ) -> None:
        self.args = command
        request = {"command": command, "env": dict(env), "folder": str(Path.cwd()), "new_session": new_session}
        self._told, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            socket.send_fds(_server(), [json.dumps(request).encode()], [*outputs, theirs.fileno()])
        self.pid = int(self._told.recv(_MESSAGE_BYTES))

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code, minus the signal that ended it; raises `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            self._told.settimeout(timeout)
            try:
                status = int(self._told.recv(_MESSAGE_BYTES))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._told.close()
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def poll(self) -> int | None:
        """Return its exit code, or None where it has not ended."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send it SIGKILL."""
        self.send_signal(signal.SIGKILL)


class TalkingProcess(WarmProcess):
    """A warm process whose two outputs are one pipe."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], *, new_session: bool = False) -> None:
        self._said, theirs = os.pipe()
        try:
            super().__init__(command, env, (theirs, theirs), new_session=new_session)
        finally:
            os.close(theirs)

    def communicate(self, timeout: float = 120) -> tuple[str, None]:
        """Return what it wrote, once it and all who have its outputs have ended; raises `TimeoutExpired`."""
        deadline, parts = time.monotonic() + timeout, [b""]
        while select.select([self._said], [], [], max(0, deadline - time.monotonic()))[0]:
            parts.append(os.read(self._said, _MESSAGE_BYTES))
            if not parts[-1]:
                os.close(self._said)
                self.wait(max(0, deadline - time.monotonic()))
                return b"".join(parts).decode(), None
        raise subprocess.TimeoutExpired(self.args, timeout, b"".join(parts))


def run_warm(command: Sequence[str], env: Mapping[str, str], timeout_s: float) -> tuple[int, str, str]:
    """Run `python -m command` to its end; returns its exit code, and what it wrote to its two outputs.

    Raises `subprocess.TimeoutExpired`, and kills it, where it takes longer.
    """
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = WarmProcess(command, env, (stdout.fileno(), stderr.fileno()))
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode())
    return code, texts[0], texts[1]


@cache
def _server() -> socket.socket:
    """Return the way to this process's server, which ends with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.support.warm", str(theirs.fileno())]
    # Libraries that compute with threads would start them when they are imported.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=os.environ | threads)
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(requests: socket.socket) -> str:
    """Answer requests to the end; returns in the processes that are to run a command, with the name of its module."""
    for name in _LARGE:
        importlib.import_module(name)
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a fork would lose threads"
    gc.collect()
    gc.freeze()  # or each process would go through all of it when it ends
    while True:
        message, files, _, _ = socket.recv_fds(requests, _MESSAGE_BYTES, 3)
        if not message:
            _reap(0)
            os._exit(0)
        _reap(os.WNOHANG)
        if os.fork() == 0:
            requests.close()
            return _run(json.loads(message), *files)
        for file in files:
            os.close(file)


def _reap(options: int) -> None:
    """Wait for processes that have ended, or for all: what they took is counted as the tests' then."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, options)[0]:
            pass


def _run(request: dict[str, Any], stdout: int, stderr: int, reply: int) -> str:
    """Fork once more: one process waits for the other, and tells how that ended."""
    pid = os.fork()
    if pid:
        os.close(stdout)  # or who reads it to its end would wait for this process, too
        os.close(stderr)
        with socket.socket(fileno=reply) as told:
            told.send(str(pid).encode())
            told.send(str(os.waitpid(pid, 0)[1]).encode())
        os._exit(0)
    os.close(reply)
    for source, target in ((stdout, 1), (stderr, 2)):
        os.dup2(source, target)
        os.close(source)
    if request["new_session"]:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["folder"])
    sys.path[0] = request["folder"]
    module, *words = request["command"]
    sys.argv, sys.orig_argv = ["-m", *words], [sys.executable, "-m", module, *words]
    return str(module)


if __name__ == "__main__":
    module = _serve(socket.socket(fileno=int(sys.argv[1])))
    sys.modules["__main__"] = types.ModuleType("__main__")
    runpy._run_module_as_main(module)  # type: ignore[attr-defined]  # what `python -m` calls
