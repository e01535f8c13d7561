"""What is made of a bundle never takes the place of a part of it."""

from pathlib import Path

import pytest

from export import bench, pack, triton
from export.bundle import read_bundle
from preprocess.errors import UserError
from tests.serve.tiny_bundle import make_bundle


@pytest.mark.parametrize("name", ["bundle.json", "model.onnx", "new/file"])
def test_a_bundle_is_not_written_into(tmp_path: Path, name: str) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    (tmp_path / "link").symlink_to("bundle")
    for folder in (bundle, tmp_path / "link"):
        out = str(folder / name)
        for main, words in (
            (pack.main, [str(bundle), "--out", out]),
            (triton.main, [str(bundle), "--artifact", "onnxruntime-fp32", "--out", out]),
            (bench.main, [str(bundle), "--json", out]),
            (bench.main, [str(bundle), "--picture", out]),
        ):
            with pytest.raises(UserError, match=r"must not be overwritten; name another place"):
                main(words)
    assert len(read_bundle(bundle).manifest.files) == len(list(bundle.iterdir())) - 1
