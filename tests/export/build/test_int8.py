"""What becomes of int8 where a family of networks says nothing of it, or names what is not there."""

import json
from collections import Counter
from pathlib import Path

import openvino
import pytest

from export.build.calibration import Calibration
from export.build.create import create_bundle
from export.build.plan import ExportOptions
from export.runtimes.openvino import can_compute
from rgbd.errors import UserError
from tests.support.checkpoints import TOY, untrained, write_data
from tests.support.toy_family import FAMILY
from training.networks.family import Int8Rules

NOWHERE = Int8Rules(parts="nowhere/", elsewhere="it is somewhere else", kept={})


@pytest.mark.parametrize(
    ("rules", "reason"), [(None, "names no part that may be quantized"), (NOWHERE, "no layer of this network")]
)
def test_without_a_part_to_quantize_there_is_no_file(
    rules: Int8Rules | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FAMILY, "int8", rules)
    path = untrained("rgb", tmp_path / "best.pt", **TOY)
    how = Calibration(write_data(tmp_path / "data"), num_clips=2, max_drop=1.0)
    options = ExportOptions(formats=["openvino"], precisions=["int8"], max_batch=1, calibration=how)
    with pytest.raises(UserError, match=f"^int8: .*{reason}.*; leave int8 out of --precision"):
        create_bundle(path, tmp_path / "bundle", options)
    assert not (tmp_path / "bundle").exists()


@pytest.mark.skipif(not can_compute("int8"), reason="this processor does not compute in int8")
def test_the_accuracy_of_a_graph_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: Counter[bytes] = Counter()
    read_model = openvino.Core.read_model

    def count(core: openvino.Core, model: object, *rest: object) -> object:
        tried.update([model] if isinstance(model, bytes) else [])
        return read_model(core, model, *rest)

    monkeypatch.setattr(openvino.Core, "read_model", count)
    path = untrained("rgb", tmp_path / "best.pt", **TOY)
    how = Calibration(write_data(tmp_path / "data"), num_clips=2, max_drop=1.0)
    options = ExportOptions(formats=["openvino"], precisions=["int8"], max_batch=1, calibration=how)
    create_bundle(path, tmp_path / "bundle", options)
    report = json.loads((tmp_path / "bundle" / "quantization.json").read_text())
    assert report["validated_on"] == 5
    assert all(0 <= report[name] <= 1 for name in ("top1_before", "top1_after"))
    # Of float32, for which NNCF tries the function on one clip first; quantized; and as it is written, weights folded.
    assert sorted(tried.values()) == [1, 1, 2]
