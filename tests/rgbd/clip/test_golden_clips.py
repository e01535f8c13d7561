"""Sampling, the clip transform, depth encoding and guidance against the reference's numbers (clips.json)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rgbd.clip.build import build_clip
from rgbd.clip.depth_encoding import DepthEncoding
from rgbd.clip.sampling import bin_centres
from rgbd.clip.spec import ClipSpec, centred_geometry
from rgbd.recording.stills.images import read_image
from rgbd.types import Frame, Stream
from tests.golden.seeding import seeded_depth
from tests.support.real import real_recordings
from training.networks.dsn.guidance import normalise, rank_pool

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "clips.json").read_text())
CROP_AT_32 = ClipSpec(resize=(256, 256), crop_xy=(32, 32), depth=DepthEncoding(mode="image"))
CENTRE = ClipSpec(resize=(256, 256), depth=DepthEncoding(mode="image"))


def grid(images: NDArray[Any], record: dict[str, Any], start: int) -> NDArray[Any]:
    stride = record["stride"]
    return images[record["frames"]][..., start::stride, start::stride].reshape(-1)


def check(name: str, clip: NDArray[np.uint8]) -> None:
    """Compare a uint8 clip [T, H, W, 3] and its guidance with a golden's samples and means."""
    expected = GOLDEN[name]
    normalised = normalise(torch.from_numpy(clip)[None])
    guidance = rank_pool(normalised, expected["window"])[0, :, 0].numpy()
    frames = normalised[0].numpy()
    np.testing.assert_allclose(frames.mean((1, 2, 3)), expected["clip_frame_mean"], atol=0.02)
    difference = np.abs(grid(frames, expected["clip_samples"], 8) - expected["clip_samples"]["values"])
    assert difference.mean() < 0.02
    np.testing.assert_allclose(guidance.mean((1, 2)), expected["guidance_frame_mean"], atol=0.03)
    difference = np.abs(grid(guidance, expected["guidance_samples"], 4) - expected["guidance_samples"]["values"])
    assert difference.mean() < 0.03
    assert not guidance[: expected["window"] - 1].any()


@pytest.mark.parametrize("num_frames", [int(n) for n in GOLDEN["evaluation_sampling"]])
def test_evaluation_frames_are_exact(num_frames: int) -> None:
    assert bin_centres(num_frames, 64).tolist() == GOLDEN["evaluation_sampling"][str(num_frames)]


@pytest.mark.parametrize("stream", ["rgb", "depth"])
@pytest.mark.parametrize(("spec", "suffix"), [(CROP_AT_32, "legacy_crop_32"), (CENTRE, "centre_crop")])
def test_real_nvgesture_clip(stream: Stream, spec: ClipSpec, suffix: str) -> None:
    folder = real_recordings("nvgesture_sample") / stream / "subject11_r0"
    frames: list[Frame] = [read_image(folder / f"{i:06d}.jpg") for i in bin_centres(80, spec.num_frames)]
    check(f"nvgesture_subject11_r0_{stream}_{suffix}", build_clip(frames, stream, spec, centred_geometry(spec)))


def test_wrapped_depth_of_the_authors_weights() -> None:
    spec = ClipSpec(depth=DepthEncoding(mode="wrapped"))
    indices = bin_centres(70, spec.num_frames)
    assert indices.tolist() == GOLDEN["ntu_seeded_depth_legacy"]["sampled_indices"]
    frames: list[Frame] = [seeded_depth(int(i)) for i in indices]
    check("ntu_seeded_depth_legacy", build_clip(frames, "depth", spec, centred_geometry(spec)))
