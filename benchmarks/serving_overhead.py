"""What the service costs beside its parts alone: the time of one clip for one client, clips a second for eight.

Run: `python -m benchmarks.serving_overhead [--seconds 10]`. The published network of one stream with random weights, in
OpenVINO's bfloat16; the clip is a rendered video of 320x240. Alone means what the service does without HTTP and without
a queue: a decoder process makes the clip, another process runs the network. That and POST /predict take turns, and
medians count; the load comes from the same machine.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import httpx
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.export_speed import checkpoint
from benchmarks.serving_overload import NUM_CLIENTS, ask, capacity
from benchmarks.support.server import running_server
from export.bench.contenders import Contender, contenders
from export.build.create import create_bundle
from export.build.plan import ExportOptions
from export.bundle.folder import Bundle
from export.predictor.clip_request import ClipRequest, RecordingMeta, StreamFile
from export.predictor.decoded_clip import ClipFacts
from export.runtimes.machine import machine
from preprocess.ntu.recording import RGB_FOLDER
from preprocess.synthetic.__main__ import main as render
from rgbd.recording.limits import Limits
from rgbd.recording.videos.video import read_video, write_video
from rgbd.types import Frame
from serve.uploads.clip_decoding import decode_clip
from serve.uploads.decoder_processes import Decoders

ARTIFACT, OPTIONS = "openvino-bf16", ExportOptions(formats=("openvino",), precisions=("bf16",))
TURNS = 5
BATCHES = (1, 2, 4, 8)  # the service takes 4 at most; alone the network may do better
WAIT_S = 600  # for an answer: nothing is refused here
MOST_TIMES, LEAST_SHARE = 1.25, 0.9


@dataclass
class Measured:
    """Milliseconds of one clip, step by step and through HTTP; clips a second by batch and through HTTP."""

    steps: list[tuple[float, float, float]] = field(default_factory=list)
    answered_ms: list[float] = field(default_factory=list)
    by_batch: dict[int, list[float]] = field(default_factory=lambda: {batch: [] for batch in BATCHES})
    answered_per_s: list[float] = field(default_factory=list)


class Alone:
    """The service's parts: a decoder process, and the network in another."""

    def __init__(self, bundle: Bundle, video: Path, decoders: Decoders, network: Contender) -> None:
        manifest, files = bundle.manifest, (StreamFile("rgb", video, video.name),)
        limits = Limits(max_frames=1000, max_pixels=320 * 240, max_duration_s=60)
        self._request = ClipRequest(files, RecordingMeta(), limits, manifest.clip_spec, manifest.streams)
        self.decoders, self._network = decoders, network

    async def one_clip(self) -> tuple[float, float, float]:
        """Return the milliseconds of decoding, transforming and the network."""
        decoded = (await self.decoders.run(decode_clip, ClipFacts, self._request)).facts
        return decoded.decode_ms, decoded.transform_ms, 1000 * self._network.run(1)

    def clips_per_s(self, batch: int, seconds: float) -> float:
        """Return how many clips the network does in a tight loop."""
        self._network.run(batch)  # another batch than before takes new memory
        start, num_clips = time.perf_counter(), 0
        while time.perf_counter() < start + seconds:
            self._network.run(batch)
            num_clips += batch
        return num_clips / (time.perf_counter() - start)


@contextmanager
def decoder_process() -> Iterator[Decoders]:
    decoders = Decoders(num_processes=1, memory_mb=4096, cpu_s=120)
    decoders.start()
    try:
        yield decoders
    finally:
        decoders.close()


def recording(folder: Path) -> Path:
    """Write a rendered video of 320x240 that shows its motion forth and back, as long as NTU's are, and return it."""
    render(["--out", str(folder), "--clips", "1"])
    (rendered,) = (folder / RGB_FOLDER).iterdir()
    frames: list[Frame] = [
        cv2.resize(frame, (320, 240), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        for frame in read_video(rendered)
    ]
    video = folder / "clip.mp4"
    write_video(video, [*frames, *reversed(frames)])
    return video


async def measure(url: str, clip: bytes, alone: Alone, seconds: float) -> Measured:
    keeper = asyncio.create_task(alone.decoders.keep_ready())
    try:
        return await take_turns(url, clip, alone, seconds)
    finally:
        keeper.cancel()


async def take_turns(url: str, clip: bytes, alone: Alone, seconds: float) -> Measured:
    async with httpx.AsyncClient(base_url=url, timeout=WAIT_S) as client:
        for turn in track(range(1 + TURNS), "measuring", console=Console(stderr=True)):
            if turn <= 1:
                measured = Measured()  # the first turn allocates, and the service learns how long it takes
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                measured.steps.append(await alone.one_clip())
                outcome = await ask(client, clip)
                assert outcome.answer == "200", outcome.answer
                measured.answered_ms.append(1000 * outcome.seconds)
            for batch, rates in measured.by_batch.items():
                rates.append(alone.clips_per_s(batch, seconds / len(BATCHES)))
            measured.answered_per_s.append(await capacity(client, clip, seconds))
    return measured


def report(measured: Measured) -> Table:
    table = Table("", "alone", "POST /predict", "ratio", "target", title_justify="left", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for step, spent_ms in zip(("decode", "transform", "network"), zip(*measured.steps, strict=True), strict=True):
        table.add_row(f"  {step}, ms", f"{statistics.median(spent_ms):.1f}")
    total_ms = statistics.median(sum(steps) for steps in measured.steps)
    answered_ms = statistics.median(measured.answered_ms)
    times = answered_ms / total_ms
    target = f"at most {MOST_TIMES}: {'met' if times <= MOST_TIMES else 'missed'}"
    table.add_row("one client, ms a clip", f"{total_ms:.1f}", f"{answered_ms:.1f}", f"{times:.2f}", target)
    rates = {batch: statistics.median(values) for batch, values in measured.by_batch.items()}
    for batch, rate in rates.items():
        table.add_row(f"  batch of {batch}, clips/s", f"{rate:.2f}")
    best, answered_per_s = max(rates.values()), statistics.median(measured.answered_per_s)
    share = answered_per_s / best
    target = f"at least {LEAST_SHARE}: {'met' if share >= LEAST_SHARE else 'missed'}"
    table.add_row(f"{NUM_CLIENTS} clients, clips/s", f"{best:.2f}", f"{answered_per_s:.2f}", f"{share:.2f}", target)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement in each turn (10)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint("rgb", Path(folder) / "random.pt")
        bundle = create_bundle(Path(folder) / "random.pt", Path(folder) / "bundle", OPTIONS)
        video = recording(Path(folder) / "rendered")
        with (
            contenders(bundle, [ARTIFACT]) as (network,),
            running_server(bundle.folder, artifact=ARTIFACT, deadline_s=WAIT_S) as server,
            decoder_process() as decoders,
        ):
            alone = Alone(bundle, video, decoders, network)
            measured = asyncio.run(measure(server.url, video.read_bytes(), alone, options.seconds))
    console = Console(width=80, highlight=False)
    console.print(f"{machine()}; the published network of one stream, {ARTIFACT}")
    console.print(report(measured))


if __name__ == "__main__":
    main()
