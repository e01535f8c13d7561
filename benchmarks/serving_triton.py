"""The service beside an embedded Triton: clips as tensors, sent by the same client, from 1, 4 and 16 places at once.

Run: `python -m benchmarks.serving_triton [--seconds 20] [--environment .venv-triton]`. The published network of one
stream with random weights. Triton computes the same ONNX file with the same ONNX Runtime as the service, in a Python
backend (PyTriton) with batches as large; for it an environment of its own is made, once. Servers take turns and never
run beside each other; before it is measured, each must name the scores that PyTorch gave to a known clip.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import tritonclient.http as triton
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.export_speed import checkpoint
from benchmarks.support.server import running_server
from export.build.create import create_bundle
from export.build.plan import ExportOptions
from export.bundle.folder import Bundle
from export.bundle.seeded_clips import Clip, seeded_inputs
from export.runtimes.machine import machine
from rgbd.errors import UserError
from rgbd.terminal import run_command
from serve.settings import Settings

MODEL = ExportOptions().name
TURNS = 3
CLIENTS = (1, 4, 16)
WAIT_S = 600  # for an answer: nothing is refused here
OURS, BEST, THEIRS = "service, onnxruntime-fp32", "service, openvino-bf16", "Triton, onnxruntime-fp32"
# How far scores may be from PyTorch's, in standard deviations of these: rounding, and bfloat16's.
TOLERANCE = {OURS: 1e-4, BEST: 0.05, THEIRS: 1e-4}

_TRITON = Path(__file__).parent / "triton"

Server = Callable[[], AbstractContextManager[str]]


@dataclass
class Measured:
    """What each turn reached, and how long each answer took."""

    clips_per_s: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def prepare(environment: Path) -> Path:
    """Return the interpreter of an environment that holds what Triton needs; raises `UserError` when it cannot be."""
    programs, requirements = environment / "bin", _TRITON / "requirements.txt"
    try:
        if not programs.exists():
            subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        install = ("install", "--quiet", "--disable-pip-version-check", "-r", requirements)
        subprocess.run([programs / "pip", *install], check=True)
    except (subprocess.CalledProcessError, OSError) as error:
        raise UserError(
            f"{environment}: Triton's environment cannot be made, as said above; give it 500 MB and a package index, "
            f"or name one that has what {requirements} lists: --environment"
        ) from error
    return programs / "python"


@contextmanager
def service(bundle: Bundle, artifact: str) -> Iterator[str]:
    with running_server(bundle.folder, artifact=artifact, deadline_s=WAIT_S) as running:
        yield running.url.removeprefix("http://")


@contextmanager
def embedded_triton(python: Path, model: Path) -> Iterator[str]:
    """Yield the address of a Triton that serves an ONNX file, in batches as large as the service's."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    max_batch = Settings.model_fields["max_batch"].default
    command = list(map(str, (python, _TRITON / "server.py", model, port, max_batch)))
    libraries = {"LD_LIBRARY_PATH": sysconfig.get_config_var("LIBDIR")}  # Triton loads the interpreter's own
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | libraries)
        try:
            address = f"127.0.0.1:{port}"
            while not is_ready(address):
                if process.poll() is not None:
                    log.seek(0)
                    raise UserError(f"Triton ended before it was ready; the end of its log:\n{log.read()[-2000:]}")
                time.sleep(0.5)
            yield address
        finally:
            process.terminate()
            process.wait()


def is_ready(address: str) -> bool:
    client = triton.InferenceServerClient(address)
    try:
        return bool(client.is_model_ready(MODEL))
    except OSError:  # nobody listens yet
        return False
    finally:
        client.close()


def ask(client: triton.InferenceServerClient, clips: Clip) -> NDArray[np.float32]:
    """Return the scores of clips."""
    tensor = triton.InferInput("rgb", list(clips.shape), "UINT8")
    tensor.set_data_from_numpy(clips)
    scores: NDArray[np.float32] = client.infer(MODEL, [tensor]).as_numpy("logits")
    return scores


def answers(address: str, clips: Clip, end: float) -> list[float]:
    """Return the seconds of each answer that a client got who asked again and again until the end."""
    client = triton.InferenceServerClient(address, network_timeout=WAIT_S)
    seconds = []
    while (start := time.perf_counter()) < end:
        ask(client, clips)
        seconds.append(time.perf_counter() - start)
    client.close()
    return seconds


def load(address: str, clips: Clip, num_clients: int, seconds: float) -> tuple[float, list[float]]:
    """Return the clips a second that so many clients got, and how long each answer took."""
    start = time.perf_counter()
    with ThreadPoolExecutor(num_clients) as clients:
        told = list(clients.map(lambda _: answers(address, clips, start + seconds), range(num_clients)))
    spent = [one for answered in told for one in answered]
    return len(spent) / (time.perf_counter() - start), spent


def difference(address: str, bundle: Bundle, clips: Clip) -> float:
    """Return how far a server's scores are from PyTorch's, in standard deviations of these."""
    expected = np.array(bundle.manifest.check["logits"])
    client = triton.InferenceServerClient(address, network_timeout=WAIT_S)
    off = np.abs(ask(client, clips)[0] - expected).mean() / expected.std()
    client.close()
    return float(off)


def measure(
    servers: dict[str, Server], bundle: Bundle, seconds: float
) -> tuple[dict[tuple[str, int], Measured], dict[str, float]]:
    clips = seeded_inputs(["rgb"], bundle.manifest.clip_spec, 1)["rgb"]
    measured = {(name, num_clients): Measured() for num_clients in CLIENTS for name in servers}
    differences = {}
    for _ in track(range(TURNS), "measuring", console=Console(stderr=True)):
        for name, start in servers.items():
            with start() as address:
                differences[name] = difference(address, bundle, clips)
                if differences[name] > TOLERANCE[name]:
                    raise UserError(f"{name}: scores are {differences[name]:.2g} standard deviations from PyTorch's")
                load(address, clips, max(CLIENTS), seconds / 4)  # allocates
                for num_clients in CLIENTS:
                    clips_per_s, spent = load(address, clips, num_clients, seconds)
                    measured[name, num_clients].clips_per_s.append(clips_per_s)
                    measured[name, num_clients].seconds += spent
    return measured, differences


def report(measured: dict[tuple[str, int], Measured], differences: dict[str, float]) -> Table:
    table = Table("clients", "server", box=None)
    for column in ("clips/s", "times", "p50 ms", "p99 ms", "differ"):
        table.add_column(column, justify="right")
    for (name, num_clients), one in measured.items():
        clips_per_s = statistics.median(one.clips_per_s)
        times = clips_per_s / statistics.median(measured[THEIRS, num_clients].clips_per_s)
        p50, p99 = np.percentile(one.seconds, (50, 99))
        figures = f"{clips_per_s:.2f}", f"{times:.2f}", f"{1000 * p50:.0f}", f"{1000 * p99:.0f}"
        table.add_row(str(num_clients), name, *figures, f"{differences[name]:.0e}")
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement in each turn (20)")
    parser.add_argument(
        "--environment", type=Path, default=Path(".venv-triton"), help="Triton's, made if absent (.venv-triton)"
    )
    options = parser.parse_args()
    python = prepare(options.environment)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint("rgb", Path(folder) / "random.pt")
        bundle = create_bundle(Path(folder) / "random.pt", Path(folder) / "bundle", ExportOptions())
        model = bundle.path(bundle.artifact("onnxruntime-fp32"))
        servers: dict[str, Server] = {
            THEIRS: partial(embedded_triton, python, model),
            OURS: partial(service, bundle, "onnxruntime-fp32"),
            BEST: partial(service, bundle, "openvino-bf16"),
        }
        measured, differences = measure(servers, bundle, options.seconds)
    console = Console(width=80, highlight=False)
    console.print(f"{machine()}; one stream; {TURNS} turns of {options.seconds:g} s; times: Triton's clips/s")
    console.print(report(measured, differences))
    return 0


if __name__ == "__main__":
    run_command(main)
