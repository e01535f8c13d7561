"""A service on the device: the answer to POST /predict beside the CPU's, its time, and a live stream."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.gpu_check.installed import missing
from benchmarks.gpu_check.networks import NAMES, config_of
from benchmarks.gpu_check.rows import Row, compared, failed, measured, skipped
from benchmarks.support.server import running_server
from benchmarks.support.untrained import untrained
from clients.client import Client
from clients.live.messages import Answer, Ended
from clients.live.session import Live
from export import load_model
from export.build.create import create_bundle
from export.build.plan import ExportOptions
from rgbd.recording.videos.video import write_video
from rgbd.types import Frame

_SIZE, _FPS, _NUM_FRAMES = (320, 240), 30, 60
_ASKED = 5
_LIMIT = 1e-2  # of a probability, as for an artifact in float32


def check(device: str, folder: Path) -> Iterator[Row]:
    if reason := missing("fastapi", "uvicorn", *(("onnxruntime-gpu",) if device == "cuda" else ())):
        yield skipped("/predict and live", reason)
        return
    untrained(config_of(device, "dsn", "rgb"), NAMES, folder / "best.pt")
    is_live = device == "cuda"  # without graphs for streams a window is computed anew, and exporting takes less time
    options = ExportOptions(formats=("onnx",), max_batch=2, live=is_live)
    bundle = create_bundle(folder / "best.pt", folder / "bundle", options).folder
    frames, video = _frames(), folder / "clip.mp4"
    write_video(video, frames, fps=_FPS)
    expected = load_model(bundle).predict(rgb=video).predictions[0]
    with running_server(bundle, device=device) as server, Client(server.url) as client:
        milliseconds = []
        for _ in range(1 + _ASKED):
            start = time.perf_counter()
            answer = client.predict(rgb=video)
            milliseconds.append(1000 * (time.perf_counter() - start))
        best = answer.predictions[0]
        if best.label != expected.label:
            yield failed("/predict: label", f"{best.label}, and on the CPU {expected.label}")
        difference = abs(best.score - expected.score)
        yield compared("/predict: probability, from the CPU's", difference, _LIMIT)
        yield measured("/predict: one clip", statistics.median(milliseconds[1:]), "ms")
        yield from _live_rows(server.url, frames)


def _live_rows(url: str, frames: list[Frame]) -> Iterator[Row]:
    """Yield how a live stream of these frames was answered, sent as a camera would send them."""
    lags_ms, ended = [], None
    with Live(url, sizes={"rgb": _SIZE}, window_s=1.0, prepared=True) as live:
        begun = time.perf_counter()
        for number, frame in enumerate(frames):
            time.sleep(max(0.0, begun + number / _FPS - time.perf_counter()))
            live.send("rgb", number / _FPS, frame)
        live.end()
        for said in live:
            if isinstance(said, Answer):
                lags_ms.append(said.lag_ms)
            elif isinstance(said, Ended):
                ended = said
    if ended is None or not lags_ms:
        yield failed("live", f"{len(lags_ms)} answers, and {'an' if ended else 'no'} end")
        return
    yield measured("live: answers", len(lags_ms), "")
    yield measured("live: lag", statistics.median(lags_ms), "ms")
    yield measured("live: frames that came too late", ended.dropped.late, "")


def _frames() -> list[Frame]:
    """Return a patch that moves across noise."""
    rng = np.random.default_rng(0)
    width, height = _SIZE
    frames = []
    for number in range(_NUM_FRAMES):
        frame = rng.integers(0, 60, (height, width, 3), np.uint8)
        frame[80:160, 2 * number : 2 * number + 60] = (200, 120, 40)
        frames.append(frame)
    return frames
