"""Windows over a stream: with true neighbours, whatever the portions, and as clips where they have none."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from export.bundle.folder import Bundle
from export.bundle.seeded_clips import seeded_inputs
from export.predictor.model import Model
from export.predictor.streams.sliding import Sliding, SlidWindow, slide
from export.runtimes.loading import load_live, load_runtime
from training.run.checkpoint import load_checkpoint, restore_network

EVERY = 3


@pytest.fixture(scope="module")
def model(in_low_precision: Bundle) -> Model:
    return Model(in_low_precision, load_runtime(in_low_precision, name="onnxruntime-fp32"))


@pytest.fixture(scope="module")
def frames(in_low_precision: Bundle) -> np.ndarray:
    clips = seeded_inputs(["rgb"], in_low_precision.manifest.clip_spec, batch=4, seed=4)["rgb"]
    return np.concatenate(list(clips))


def windows(sliding: Sliding, frames: np.ndarray, size: int) -> list[SlidWindow]:
    def all_of_them() -> Iterator[SlidWindow]:
        for first in range(0, len(frames), size):
            yield from sliding.add({"rgb": frames[first : first + size]})
        yield from sliding.end()

    return list(all_of_them())


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 5, 32])
def test_windows_within_a_stream_have_true_neighbours(model: Model, frames: np.ndarray, size: int) -> None:
    live = load_live(model.bundle, name="onnxruntime-fp32")
    found = windows(slide(model, live, EVERY), frames, size)
    assert [window.first for window in found] == list(range(0, len(frames) - 8 + 1, EVERY))
    network = restore_network(load_checkpoint(model.bundle.folder.parent / "best.pt")).eval()
    backbone = network.backbone
    features = backbone.features(torch.from_numpy(frames)[None])
    for window in found:
        part = features[:, window.first : window.first + 8]
        expected = network.classify(backbone.temporal(part, None)).logits  # type: ignore[operator]
        np.testing.assert_allclose(window.outputs["logits"], expected.detach()[0], atol=1e-4)


@pytest.mark.slow
def test_without_graphs_for_streams_each_window_is_a_clip(model: Model, frames: np.ndarray) -> None:
    found = windows(slide(model, None, EVERY), frames, 5)
    assert [window.first for window in found] == list(range(0, len(frames) - 8 + 1, EVERY))
    for window in found:
        clip = frames[None, window.first : window.first + 8]
        np.testing.assert_array_equal(window.outputs["logits"], model.infer({"rgb": clip})["logits"][0])
