"""How long each step takes between the frames that arrive and the scores."""

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from export.bench.profile import profile
from export.bundle.folder import Bundle
from export.runtimes.loading import latency_ms, unavailable_reason
from export.runtimes.registry import spec_of
from rgbd.clip.build import build_clip
from rgbd.clip.spec import centred_geometry
from rgbd.recording.stills.images import decode_image, encode_image
from rgbd.types import Frame

_RUNS = 5


def measure_stages(bundle: Bundle) -> dict[str, float]:
    """Return the milliseconds of each step for one clip.

    Decoding, of JPEG and 16-bit PNG frames, and transforming take one core; the network, as the fastest artifact of the
    bundle computes it, takes all.
    """
    return {**_before_the_network(bundle), **_within_the_network(bundle)}


def _before_the_network(bundle: Bundle) -> dict[str, float]:
    spec, rng = bundle.manifest.clip_spec, np.random.default_rng(0)
    geometry = centred_geometry(spec)
    stages = {}
    for stream in bundle.manifest.streams:
        is_depth = stream == "depth" and spec.depth.mode != "image"
        suffix = ".png" if is_depth else ".jpg"
        width, height = spec.resize
        patches = rng.integers(0, 255, (spec.num_frames, height // 8, width // 8, 1 if is_depth else 3))
        frames: list[Frame] = [np.kron(frame, np.ones((8, 8, 1))).squeeze().astype(np.uint8) for frame in patches]
        if is_depth:
            frames = [frame.astype(np.uint16) * 10 + 1000 for frame in frames]
        encoded = [encode_image(suffix, frame) for frame in frames]
        stages[f"decode {stream}"] = _best_ms(partial(_decode, encoded))
        stages[f"transform {stream}"] = _best_ms(partial(build_clip, frames, stream, spec, geometry))
    return stages


def _decode(frames: Sequence[bytes]) -> None:
    for data in frames:
        decode_image(data, "a frame")


def _best_ms(function: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return 1000 * min(seconds)


def _within_the_network(bundle: Bundle) -> dict[str, float]:
    artifacts = [
        item for item in bundle.manifest.artifacts if not unavailable_reason(item, "cpu") and spec_of(item).profile
    ]
    if not artifacts:
        return {}
    fastest = min(artifacts, key=lambda item: latency_ms(item, "cpu"))
    return {f"network, {fastest.name}": sum(profile(bundle, fastest).values())}
