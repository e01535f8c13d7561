"""Live streams for minutes: how late answers come, what is dropped, and whether memory stays flat.

Run: `python -m benchmarks.endurance.live [--sessions 8] [--minutes 10] [--speed 1]`. The demonstration's network of
depth with random weights, and cameras of 30 frames/s whose depth, 320x240, is packed as clients pack it. Each session
waits to be answered; lag runs from when a window's last frame was sent to when its answer was read, in this process.
The targets: half of the answers within two intervals of sampled frames and the graph's own lag, 99 % within twice that.
"""

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.support.process import usage
from benchmarks.support.server import running_server
from benchmarks.support.untrained import untrained
from clients.live.messages import Answer, Dropped, Ended
from clients.live.session import AsyncLive
from export.build.create import create_bundle
from export.build.plan import ExportOptions
from rgbd.types import Depth
from training.config.loading import load_config

FPS, SIZE, WINDOW_S, NUM_FRAMES = 30, (320, 240), 2.0, 90


@dataclass
class Measured:
    """What all sessions were told."""

    lags_s: list[float] = field(default_factory=list)
    lag_s: float = 0.0
    interval_s: float = 0.0
    frames: int = 0
    late: int = 0


def camera_frames() -> list[Depth]:
    """Return a loop of frames in which somebody moves before a wall, with a sensor's noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    frames = []
    for number in range(NUM_FRAMES):
        centre = SIZE[0] / 2 + 40 * np.sin(2 * np.pi * number / NUM_FRAMES)
        person = (np.abs(x - centre) < 25) & (y > 50)
        depth = np.where(person, 2000, 4000) + rng.normal(0, 8, y.shape)
        frames.append(depth.astype(np.uint16))
    return frames


def bundle_of(folder: Path) -> Path:
    """Write and return the bundle of the demonstration's network of depth, with random weights."""
    names = tuple(f"motion {number}" for number in range(10))
    untrained(load_config(Path("configs/demo.yml"), ["modality=depth"]), names, folder / "best.pt")
    options = ExportOptions(formats=("onnx", "openvino"), max_batch=8, live=True)
    create_bundle(folder / "best.pt", folder / "bundle", options)
    return folder / "bundle"


async def follow(url: str, frames: list[Depth], seconds: float, speed: float, measured: Measured) -> None:
    """Be one session for so long."""
    sent_at: dict[int, float] = {}
    async with AsyncLive(url, sizes={"depth": SIZE}, window_s=WINDOW_S, people="whole", prepared=False) as live:
        measured.lag_s, measured.interval_s = live.ready.lag_s, live.ready.interval_s

        async def send() -> None:
            begun = time.perf_counter()
            for number in range(round(seconds * FPS * speed)):
                await asyncio.sleep(max(0.0, begun + number / FPS / speed - time.perf_counter()))
                sent_at[number] = time.perf_counter()
                await live.send("depth", number / FPS, frames[number % NUM_FRAMES])
            await live.end()

        sending = asyncio.create_task(send())
        async for said in live:
            if isinstance(said, Answer) and not sending.done():
                last = round((said.end_s - live.ready.interval_s) * FPS)
                measured.lags_s.append(time.perf_counter() - sent_at[last])
            elif isinstance(said, Ended):
                measured.frames += said.frames
                dropped: Dropped = said.dropped
                measured.late += dropped.late
        await sending


async def run(url: str, pid: int, num_sessions: int, minutes: float, speed: float) -> None:
    """Follow all sessions, and print what the machine is like each minute, and how late answers were."""
    measured, console = Measured(), Console(width=100, highlight=False)
    frames = camera_frames()
    sessions = [asyncio.create_task(follow(url, frames, 60 * minutes, speed, measured)) for _ in range(num_sessions)]
    everything = asyncio.gather(*sessions)
    while not everything.done():
        await asyncio.wait([everything], timeout=60)
        console.print(f"{len(measured.lags_s):6} answers; {usage(pid)}")
    await everything
    p50, p99 = np.percentile(measured.lags_s, [50, 99])
    bound = 2 * measured.interval_s + measured.lag_s
    console.print(f"{num_sessions} sessions, {measured.frames} frames, {measured.late} dropped")
    console.print(
        f"lag: p50 {1000 * p50:.0f} ms (target {1000 * bound:.0f}), p99 {1000 * p99:.0f} ms ({2000 * bound:.0f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=8, help="at a time (%(default)s)")
    parser.add_argument("--minutes", type=float, default=10.0, help="%(default)g")
    parser.add_argument("--speed", type=float, default=1.0, help="of the cameras (%(default)g)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bundle = bundle_of(Path(scratch))
        with running_server(bundle, max_live=options.sessions, max_requests=options.sessions + 1) as server:
            pid = server.process.pid
            asyncio.run(run(server.url, pid, options.sessions, options.minutes, options.speed))


if __name__ == "__main__":
    main()
