"""Half an hour of steady mixed load: whether the service takes ever more memory, files or threads.

Run: `python -m benchmarks.endurance.soak [--minutes 30]`. A tiny model, so that everything but the network is at work:
clips in every container, damaged ones, clients that go away in the middle of their upload or of their answer; and once
a minute another model takes the place of the served one. What each minute left is a line of the table. At the end a
straight line is fitted from the fifth minute on, and fails where it rises by more than the bound.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
from rich.console import Console

from benchmarks.support.mutations import mutated
from benchmarks.support.process import Usage, usage
from benchmarks.support.samples import Files, samples
from benchmarks.support.server import RunningServer, running_server
from benchmarks.support.tiny_bundle import RAW, make_bundle
from benchmarks.support.wire import fault_of, valid_request

RATE = 8  # requests a second: half of what two cores can do, so that nothing has to be refused for lack of time
TIMEOUT_S = 90
WARM_MINUTES = 5  # until all threads have been started and every decoder was replaced once
BOUNDS = {"service_mb": 10.0, "decoders_mb": 60.0, "num_files": 5.0, "num_threads": 2.0}  # decoders come and go
_BUSY = (429, 503, 504)  # what a valid clip may be answered with beside 200


@dataclass
class Load:
    """What is sent, and what came of it since somebody looked."""

    url: str
    valid: dict[str, Files]
    client: httpx.AsyncClient
    chance: Random = field(default_factory=lambda: Random(0))
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def one(self) -> Coroutine[Any, Any, None]:
        """Return one of the things that clients do."""
        act = self.chance.choices([self._ask, self._harm, self._leave], weights=[7, 2, 1])[0]
        return act()

    async def _ask(self) -> None:
        kind, files = self.chance.choice(sorted(self.valid.items()))
        request = valid_request(files, self.chance.choice(("/predict", "/predict", "/preview")))
        response = await self.client.post(request.path, content=request.body, headers=request.headers)
        self.counts["answered" if response.is_success else "refused"] += 1
        if not response.is_success and response.status_code not in _BUSY:
            self.faults.append(f"{kind}: {response.status_code} {response.text}")

    async def _harm(self) -> None:
        request = mutated(self.chance, self.valid)
        response = await self.client.post(request.path, content=request.body, headers=request.headers)
        self.counts["answered" if response.is_success else "refused"] += 1
        if (fault := fault_of(response)) is not None:
            self.faults.append(f"{request.mutation}: {fault}")

    async def _leave(self) -> None:
        wire = valid_request(self.chance.choice(sorted(self.valid.items()))[1]).wire()
        sent = wire[: self.chance.choice((100, len(wire) // 2, len(wire)))]
        pause_s = self.chance.choice((0.0, 0.02, 0.2))
        address = urlsplit(self.url)
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(sent)
        await writer.drain()
        await asyncio.sleep(pause_s)
        writer.close()
        self.counts["left"] += 1


class Models:
    """A repository of one model, and what can take its place."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._fresh, self._old = folder, folder / ".fresh", folder / ".old"
        self._place = folder / "tiny" / "1"
        make_bundle(self._place, preparation=RAW)

    async def swap(self, client: httpx.AsyncClient, number: int) -> str | None:
        """Serve a new bundle of this number in the place of the present one; returns what went wrong."""
        make_bundle(self._fresh, preparation=RAW)
        manifest = self._fresh / "bundle.json"
        manifest.write_text(manifest.read_text(encoding="utf-8").replace('"red"', f'"red {number}"'), encoding="utf-8")
        self._place.rename(self._old)
        self._fresh.rename(self._place)
        shutil.rmtree(self._old)
        response = await client.post("/v2/repository/models/tiny/load")
        labels = (await client.get("/v2/models/tiny")).json()["labels"]
        return None if response.is_success and labels[0] == f"red {number}" else f"swap {number}: {response.text}"


async def soak(server: RunningServer, models: Models, valid: dict[str, Files], minutes: int) -> tuple[list[Usage], int]:
    """Return what the service took after each minute, and the number of faults."""
    console, usages, num_faults = Console(highlight=False, width=80), [usage(server.process.pid)], 0
    console.print("minute     MB  decoders  files  threads  answered/s  refused  left  faults")
    console.print(_line(0, usages[0], Counter(), 0))
    async with httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT_S) as client:
        load = Load(server.url, valid, client)
        for minute in range(1, minutes + 1):
            await _minute(load)
            if (fault := await models.swap(client, minute)) is not None:
                load.faults.append(fault)
            usages.append(usage(server.process.pid))
            console.print(_line(minute, usages[-1], load.counts, len(load.faults)))
            for fault in load.faults:
                console.print(f"  {fault}", style="red", markup=False)
            num_faults += len(load.faults)
            load.counts.clear()
            load.faults.clear()
    return usages, num_faults


async def _minute(load: Load) -> None:
    """Send at a steady rate for a minute, whatever becomes of what was sent before; return when all have an answer."""
    start, tasks = time.perf_counter(), []
    for number in range(60 * RATE):
        await asyncio.sleep(max(0.0, start + number / RATE - time.perf_counter()))
        tasks.append(asyncio.create_task(load.one()))
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, BaseException):
            load.faults.append(f"no answer: {outcome!r}")


def _line(minute: int, used: Usage, counts: Counter[str], num_faults: int) -> str:
    return (
        f"{minute:6} {used.service_mb:6.0f} {used.decoders_mb:9.0f} {used.num_files:6} {used.num_threads:8} "
        f"{counts['answered'] / 60:11.2f} {counts['refused']:8} {counts['left']:5} {num_faults:7}"
    )


def grown(usages: list[Usage], name: str) -> float:
    """Return by how much the fitted line rises from the fifth minute to the last."""
    values = [getattr(used, name) for used in usages[WARM_MINUTES:]]
    slope, _ = np.polyfit(np.arange(len(values)), values, 1)
    return float(slope * (len(values) - 1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=30)
    options = parser.parse_args()
    if options.minutes < 2 * WARM_MINUTES:
        parser.error(f"--minutes must be {2 * WARM_MINUTES} or more: a line is fitted from the fifth minute on")
    with tempfile.TemporaryDirectory() as folder:
        uploads = Path(folder) / "uploads"
        uploads.mkdir()
        valid, models = samples(Path(folder)), Models(Path(folder) / "models")
        os.environ["TMPDIR"] = str(uploads)  # the service inherits it
        with running_server(models=models.folder, max_upload_mb=8) as server:
            usages, num_faults = asyncio.run(soak(server, models, valid, options.minutes))
            left = [path.name for path in uploads.iterdir() if path.name.startswith("rgbd-motion-")]
    growth = {name: grown(usages, name) for name in BOUNDS}
    for name, value in growth.items():
        print(f"{name}: {value:+.1f} from minute {WARM_MINUTES} to {options.minutes}, bound {BOUNDS[name]:+.0f}")
    print(f"{num_faults} faults; {len(left)} files left behind")
    is_well = num_faults == 0 and not left and all(growth[name] <= BOUNDS[name] for name in BOUNDS)
    print("passed" if is_well else "failed")
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
