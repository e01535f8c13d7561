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
import signal
import socket
import subprocess
import sys
import tempfile
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
    "fastapi", "onnx", "onnxruntime", "onnxscript", "openvino",
)  # fmt: skip
_MESSAGE_BYTES = 1 << 20


def run_warm(command: Sequence[str], env: Mapping[str, str], timeout_s: float) -> tuple[int, str, str]:
    """Run `python -m command` in a process forked from this process's server.

    Returns its exit code, minus the signal that ended it, and what it wrote to its two outputs. Raises
    `subprocess.TimeoutExpired`, and kills it, where it takes longer.
    """
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            with theirs:
                request = {"command": command, "env": dict(env), "folder": str(Path.cwd())}
                sent = [stdout.fileno(), stderr.fileno(), theirs.fileno()]
                socket.send_fds(_server(), [json.dumps(request).encode()], sent)
            pid = int(ours.recv(_MESSAGE_BYTES))
            ours.settimeout(timeout_s)
            try:
                status = int(ours.recv(_MESSAGE_BYTES))
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                ours.settimeout(None)
                ours.recv(_MESSAGE_BYTES)
                raise subprocess.TimeoutExpired(command, timeout_s) from None
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode())
    return os.waitstatus_to_exitcode(status), texts[0], texts[1]


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
        with socket.socket(fileno=reply) as told:
            told.send(str(pid).encode())
            told.send(str(os.waitpid(pid, 0)[1]).encode())
        os._exit(0)
    os.close(reply)
    for source, target in ((stdout, 1), (stderr, 2)):
        os.dup2(source, target)
        os.close(source)
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
