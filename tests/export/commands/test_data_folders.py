"""A data set that an option names is looked for before anything else is done."""

from pathlib import Path

import pytest

from benchmarks.support.tiny_bundle import make_bundle
from export.__main__ import main
from rgbd.errors import UserError


@pytest.mark.parametrize("option", ["--data", "--calibration"])
def test_an_export_tells_of_a_folder_that_is_not_there(tmp_path: Path, option: str) -> None:
    (tmp_path / "best.pt").write_bytes(b"no checkpoint")
    words = ["--checkpoint", str(tmp_path / "best.pt"), "--out", str(tmp_path / "bundle")]
    with pytest.raises(UserError, match=rf"^{option} .*/nope: is not there; give the folder of a processed data set"):
        main([*words, option, str(tmp_path / "nope")])
    with pytest.raises(
        UserError, match=rf"^{option} .*/best\.pt: is no folder; give the folder of a processed data set"
    ):
        main([*words, option, str(tmp_path / "best.pt")])
    with pytest.raises(
        UserError, match=rf"^{option} {'a' * 300}: cannot be read \(File name too long\); give the folder"
    ):
        main([*words, option, "a" * 300])


def test_verifying_tells_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    words = ["verify", str(make_bundle(tmp_path / "bundle", "rgb")), "--data", str(tmp_path / "nope")]
    with pytest.raises(UserError, match=r"^--data .*/nope: is not there; give the folder of a processed data set"):
        main(words)
