"""Graphs for streams without end: each frame is computed once, and windows are answered as clips are."""

from pathlib import Path

import numpy as np
import pytest

from export.bundle.folder import Bundle
from export.bundle.seeded_clips import seeded_inputs
from export.runtimes.live import LiveRuntime, first_states, whole_clips
from export.runtimes.loading import load_live, load_runtime
from export.runtimes.openvino import can_compute
from rgbd.errors import UserError
from tests.support.checkpoints import TOY, untrained
from tests.support.commands import assert_refused, run_module


@pytest.fixture(scope="module")
def runtime(in_low_precision: Bundle) -> LiveRuntime:
    return load_live(in_low_precision, name="openvino-fp32", max_batch=3)


@pytest.mark.slow
def test_a_bundle_of_one_stream_answers_by_each_branch_too(in_low_precision: Bundle) -> None:
    assert in_low_precision.manifest.streams == ("rgb",)
    heads = [tensor.name for tensor in in_low_precision.manifest.outputs]
    assert heads == ["logits", "logits_small", "logits_medium", "logits_large"]


@pytest.mark.slow
def test_every_artifact_is_compared_with_pytorch(in_low_precision: Bundle) -> None:
    live = in_low_precision.manifest.live
    assert live is not None
    wanted = [
        "onnxruntime-fp32",
        "openvino-fp32",
        *(f"openvino-{name}" for name in ("bf16", "int8") if can_compute(name)),
    ]
    assert [artifact.name for artifact in live.artifacts] == wanted
    assert (live.steps.lag, live.steps.history, live.steps.feature_dim) == (6, 5, 64)
    for artifact in live.artifacts:
        assert artifact.parity is not None and artifact.inner is not None and artifact.padded is not None
        exact = artifact.precision == "fp32"
        assert artifact.parity.max_difference < (1e-4 if exact else 0.5)
        assert artifact.inner.max_difference < (1e-4 if exact else 0.5)
        assert artifact.inner.num_clips == 5
        assert not exact or artifact.padded.max_difference > artifact.inner.max_difference  # edges are seen


@pytest.mark.slow
@pytest.mark.parametrize("name", ["openvino-fp32", "openvino-int8"])
def test_whole_clips_are_answered_as_by_the_graph_of_clips(in_low_precision: Bundle, name: str) -> None:
    if not can_compute(name.partition("-")[2]):
        pytest.skip(f"this processor has no instructions for {name}")
    clips = seeded_inputs(["rgb"], in_low_precision.manifest.clip_spec, batch=3, seed=5)
    expected = load_runtime(in_low_precision, name=name).infer(clips)
    found = load_live(in_low_precision, name=name, max_batch=3).infer(clips)
    for head, scores in expected.items():
        np.testing.assert_allclose(found[head], scores, atol=1e-4 if "fp32" in name else 0.1)


@pytest.mark.slow
@pytest.mark.parametrize("at_a_time", [1, 2, 7])
def test_frames_may_come_in_any_portions(runtime: LiveRuntime, in_low_precision: Bundle, at_a_time: int) -> None:
    clips = seeded_inputs(["rgb"], in_low_precision.manifest.clip_spec, batch=2, seed=1)["rgb"]
    expected = runtime.features_of("rgb", clips)
    inputs, states = whole_clips(runtime.steps, clips), first_states(runtime.steps, 2)
    found = []
    for first in range(0, clips.shape[1] + runtime.steps.lag, at_a_time):
        end = first + runtime.steps.history + at_a_time
        features, states = runtime.advance("rgb", inputs["frames"][:, first:end], inputs["seen"][:, first:end], states)
        found.append(features)
    np.testing.assert_allclose(np.concatenate(found, 1)[:, runtime.steps.lag :], expected, atol=1e-5)


@pytest.mark.slow
def test_streams_side_by_side_do_not_touch(runtime: LiveRuntime, in_low_precision: Bundle) -> None:
    clips = seeded_inputs(["rgb"], in_low_precision.manifest.clip_spec, batch=3, seed=2)["rgb"]
    together = runtime.features_of("rgb", clips)
    for number, clip in enumerate(clips):
        np.testing.assert_allclose(runtime.features_of("rgb", clip[None])[0], together[number], atol=1e-5)


def test_a_family_without_such_a_form_is_refused(tmp_path: Path) -> None:
    checkpoint = untrained("rgb", tmp_path / "best.pt", **TOY)
    result = run_module("export", "--checkpoint", checkpoint, "--out", tmp_path / "bundle", "--live")
    assert_refused(result, "toy_family:FAMILY computes every window anew")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.slow
def test_without_such_graphs_there_is_nothing_to_load(in_low_precision: Bundle) -> None:
    manifest = in_low_precision.manifest.model_copy(update={"live": None})
    with pytest.raises(UserError, match="export it with --live"):
        load_live(Bundle(in_low_precision.folder, manifest))
    with pytest.raises(UserError, match="holds no artifact 'tensorrt-fp32', only: onnxruntime-fp32, openvino-fp32"):
        load_live(in_low_precision, name="tensorrt-fp32")
