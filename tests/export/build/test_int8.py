"""What becomes of int8 where a family of networks says nothing of it, or names what is not there."""

from pathlib import Path

import pytest

from export.build.calibration import Calibration
from export.build.create import create_bundle
from export.build.plan import ExportOptions
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
