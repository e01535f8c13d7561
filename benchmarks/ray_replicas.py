"""Clips a second of two replicas on a Ray cluster, beside one, and their ratio; each replica has one core.

Run: `python -m benchmarks.ray_replicas [--seconds 20] [--rounds 3]` on Linux with two free cores. The published network
of one stream with random weights, in the fastest artifact that runs here in float or bfloat16. Each node of the cluster
is kept to a core of its own, as a machine with one would be. Who asks, and Ray's own processes, run on the same cores
and take their share, so that the ratio is lower than that of machines. Rounds alternate and the best counts, because
machines are shared.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from ray.cluster_utils import Cluster
from rich.console import Console
from rich.progress import track

from benchmarks.export_speed import checkpoint
from benchmarks.serving_overload import capacity, upload
from benchmarks.support.ports import free_port
from benchmarks.support.server import running_server
from export.build.create import create_bundle
from export.build.plan import ExportOptions
from export.runtimes.machine import machine

WARM_UP_S = 5  # the service learns how long it takes


@contextmanager
def one_core_nodes(num_nodes: int) -> Iterator[str]:
    """Yield the address of a cluster whose nodes have a core each."""
    cores = sorted(os.sched_getaffinity(0))
    cluster = Cluster()
    try:
        for core in cores[:num_nodes]:
            os.sched_setaffinity(0, {core})  # what is started inherits it
            cluster.add_node(num_cpus=1)
        os.sched_setaffinity(0, cores)
        yield cluster.address
    finally:
        os.sched_setaffinity(0, cores)
        cluster.shutdown()


async def measured(url: str, clip: bytes, seconds: float) -> float:
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        await capacity(client, clip, WARM_UP_S)
        return await capacity(client, clip, seconds)


def clips_per_second(bundle: Path, num_replicas: int, seconds: float) -> float:
    """Return how many clips so many replicas answer in a second, one on each node."""
    with one_core_nodes(num_replicas) as address:
        words = ("serve", "ray", "--replicas", str(num_replicas), "--address", address)
        with running_server(bundle, module=words, port=free_port(), num_decoders=1, max_live=0) as server:
            return asyncio.run(measured(server.url, upload(bundle), seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    # A head that is not to report still says so to Ray's makers.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9"}
    console = Console(highlight=False)
    rates: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        checkpoint("rgb", Path(folder) / "random.pt")
        bundle = Path(folder) / "bundle"
        create_bundle(Path(folder) / "random.pt", bundle, ExportOptions(max_batch=2))
        for _ in track(range(options.rounds), "rounds", console=Console(stderr=True)):
            for number in (1, 2):
                rates[number].append(clips_per_second(bundle, number, options.seconds))
    one, two = max(rates[1]), max(rates[2])
    console.print(f"{machine()}: {one:.2f} clips/s with one replica on one core (the baseline)")
    console.print(f"two replicas on two cores: {two:.2f} clips/s, {two / one:.2f} times as many")


if __name__ == "__main__":
    main()
