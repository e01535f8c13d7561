"""The second family's fusion becomes a bundle that answers as it does, with one stream alone, too."""

from pathlib import Path

import pytest

from export.bundle.folder import read_bundle
from tests.support.checkpoints import untrained, write_data
from tests.support.commands import run_module
from tests.support.small_networks import SMALL_UMDR

pytestmark = pytest.mark.slow


def test_a_fusion_over_frozen_streams_is_exported(tmp_path: Path) -> None:
    checkpoint = untrained("rgbd", tmp_path / "best.pt", network={**SMALL_UMDR, "temporal_fusions": 1})
    words = ("--formats", "onnx", "--max-batch", 2, "--data", write_data(tmp_path / "data"), "--alone", "rgb,depth")
    result = run_module("export", "--checkpoint", checkpoint, "--out", tmp_path / "bundle", *words)
    assert result.returncode == 0, result.stderr
    manifest = read_bundle(tmp_path / "bundle").manifest
    own = ["logits_rgb", "logits_depth"]
    assert [tensor.name for tensor in manifest.outputs] == [
        *("logits", "logits_streams", *own, "logits_rgb_head", "logits_depth_head")
    ]
    assert manifest.answer == "logits" and manifest.stream_heads == dict(zip(("rgb", "depth"), own, strict=True))
    (artifact,) = manifest.artifacts
    assert artifact.parity is not None
    assert artifact.parity.max_difference < 1e-3 and artifact.parity.top1_agreement == 1
