"""Windows over a stream: with true neighbours, whatever the portions, and as clips where they have none."""

from typing import Any

import numpy as np
import pytest
import torch

from export.bundle.folder import Bundle
from export.bundle.seeded_clips import seeded_inputs
from export.predictor.model import Model
from export.predictor.streams.sliding import Slider, SlidWindow, slide_over, slider_of
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


def windows(slider: Slider[Any], frames: np.ndarray, size: int) -> list[SlidWindow]:
    portions = ({"rgb": frames[first : first + size]} for first in range(0, len(frames), size))
    return list(slide_over(slider, EVERY, portions))


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 5, 32])
def test_windows_within_a_stream_have_true_neighbours(model: Model, frames: np.ndarray, size: int) -> None:
    live = load_live(model.bundle, name="onnxruntime-fp32")
    found = windows(slider_of(model, live), frames, size)
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
    found = windows(slider_of(model, None), frames, 5)
    assert [window.first for window in found] == list(range(0, len(frames) - 8 + 1, EVERY))
    for window in found:
        clip = frames[None, window.first : window.first + 8]
        np.testing.assert_array_equal(window.outputs["logits"], model.infer({"rgb": clip})["logits"][0])


@pytest.mark.slow
@pytest.mark.parametrize("has_graphs", [True, False], ids=["graphs", "clips"])
def test_streams_that_come_together_are_answered_as_each_alone(
    model: Model, frames: np.ndarray, *, has_graphs: bool
) -> None:
    slider = slider_of(model, load_live(model.bundle, name="onnxruntime-fp32") if has_graphs else None)
    others = frames[::-1].copy()
    first, second = slider.begin(EVERY), slider.begin(2)
    slider.add([(first, {"rgb": frames[:4]})])  # one began before the other
    found: list[list[SlidWindow]] = [[], []]
    for start in range(0, 24, 2):
        parts = frames[4 + start : 6 + start], others[start : start + 2]
        together = slider.add([(first, {"rgb": parts[0]}), (second, {"rgb": parts[1]})])
        found = [old + new for old, new in zip(found, together, strict=True)]
    for stream, expected, every in ((found[0], frames[:28], EVERY), (found[1], others[:24], 2)):
        alone = list(slide_over(slider, every, [{"rgb": expected}]))
        for window, single in zip(stream, alone, strict=False):
            assert window.first == single.first
            np.testing.assert_allclose(window.outputs["logits"], single.outputs["logits"], atol=1e-5)
