"""The service at five times what it can do: what it answers, how soon, and whether its memory stays.

Run: `python -m benchmarks.serving_overload [--seconds 60] [--times 5]`. The published network of one stream with random
weights, in the fastest artifact that runs here in float or bfloat16; the load comes from the same machine, and takes
its share of it. First eight clients ask one after the other's answer: that is the capacity. Then requests come
at a fixed rate, whatever becomes of the ones before.
"""

import argparse
import asyncio
import io
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from rich.console import Console

from benchmarks.export_speed import checkpoint
from benchmarks.support.process import usage
from benchmarks.support.server import running_server
from export.build.create import create_bundle
from export.build.plan import ExportOptions
from export.bundle.folder import read_bundle
from export.bundle.seeded_clips import seeded_inputs
from export.runtimes.machine import machine

DEADLINE_S = 10
NUM_CLIENTS = 8
EVERY_S = 5


@dataclass(frozen=True)
class Outcome:
    """What became of a request."""

    answer: str
    seconds: float


def upload(bundle: Path) -> bytes:
    """Return a clip as an .npz, so that decoding takes next to nothing beside the network."""
    spec = read_bundle(bundle).manifest.clip_spec
    buffer = io.BytesIO()
    np.savez(buffer, frames=seeded_inputs(("rgb",), spec, 1)["rgb"][0])
    return buffer.getvalue()


async def ask(client: httpx.AsyncClient, clip: bytes) -> Outcome:
    start = time.perf_counter()
    try:
        response = await client.post("/predict", files={"rgb": clip})
        answer = "200" if response.is_success else f"{response.status_code} {response.json()['error']}"
    except httpx.TransportError as error:
        answer = type(error).__name__
    return Outcome(answer, time.perf_counter() - start)


async def capacity(client: httpx.AsyncClient, clip: bytes, seconds: float) -> float:
    """Return answered clips a second where each of a few clients asks again when it has its answer."""
    end = time.perf_counter() + seconds

    async def one() -> int:
        answered = 0
        while time.perf_counter() < end:
            answered += (await ask(client, clip)).answer == "200"
        return answered

    start = time.perf_counter()
    answered = sum(await asyncio.gather(*(one() for _ in range(NUM_CLIENTS))))
    return answered / (time.perf_counter() - start)


async def flood(client: httpx.AsyncClient, clip: bytes, rate: float, seconds: float) -> list[Outcome]:
    """Return what became of requests that come at a fixed rate."""
    tasks = []
    start = time.perf_counter()
    for number in range(round(rate * seconds)):
        await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(ask(client, clip)))
    return list(await asyncio.gather(*tasks))


async def watch_memory(pid: int, measured_mb: list[float]) -> None:
    """Append the service's memory every few seconds until cancelled."""
    while True:
        measured_mb.append(usage(pid).service_mb)
        await asyncio.sleep(EVERY_S)


async def measure(url: str, pid: int, clip: bytes, options: argparse.Namespace, console: Console) -> None:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=2 * DEADLINE_S, limits=limits) as client:
        await capacity(client, clip, 5)  # the service learns how long it takes
        answered = await capacity(client, clip, 15)
        console.print(f"{machine()}: {answered:.1f} clips/s with {NUM_CLIENTS} clients; {usage(pid).service_mb:.0f} MB")
        memory_mb: list[float] = []
        watcher = asyncio.create_task(watch_memory(pid, memory_mb))
        outcomes = await flood(client, clip, options.times * answered, options.seconds)
        watcher.cancel()
        console.print(f"{options.times * answered:.0f} requests/s for {options.seconds} s, {len(outcomes)} in all:")
        for answer, number in Counter(outcome.answer for outcome in outcomes).most_common():
            times = [outcome.seconds for outcome in outcomes if outcome.answer == answer]
            p50, p99 = np.percentile(times, (50, 99))
            console.print(f"  {answer}: {number}, p50 {1000 * p50:.0f} ms, p99 {1000 * p99:.0f} ms")
        shown = ", ".join(f"{megabytes:.0f}" for megabytes in memory_mb)
        console.print(f"deadline {DEADLINE_S} s; memory every {EVERY_S} s, in MB: {shown}")
        console.print(f"afterwards: {await capacity(client, clip, 10):.1f} clips/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--times", type=float, default=5.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint("rgb", Path(folder) / "random.pt")
        bundle = Path(folder) / "bundle"
        create_bundle(Path(folder) / "random.pt", bundle, ExportOptions(max_batch=2))
        with running_server(bundle, deadline_s=DEADLINE_S, num_decoders=1) as server:
            asyncio.run(measure(server.url, server.process.pid, upload(bundle), options, Console(highlight=False)))


if __name__ == "__main__":
    main()
