"""What is made of a bundle never takes the place of a part of it."""

from pathlib import Path

import pytest

from benchmarks.support.tiny_bundle import make_bundle
from export.__main__ import main
from export.bundle.folder import read_bundle
from rgbd.errors import UserError


@pytest.mark.parametrize("name", ["bundle.json", "model.onnx", "new/file"])
def test_a_bundle_is_not_written_into(tmp_path: Path, name: str) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    (tmp_path / "link").symlink_to("bundle")
    for folder in (bundle, tmp_path / "link"):
        out = str(folder / name)
        for words in (
            ["pack", str(bundle), "--out", out],
            ["triton", str(bundle), "--artifact", "onnxruntime-fp32", "--out", out],
            ["bench", str(bundle), "--json", out],
            ["bench", str(bundle), "--picture", out],
        ):
            with pytest.raises(UserError, match=r"must not be overwritten; name another place"):
                main(words)
    assert len(read_bundle(bundle).manifest.files) == len(list(bundle.iterdir())) - 1


def test_files_of_another_kind_are_not_replaced(tmp_path: Path) -> None:
    bundle, mine = make_bundle(tmp_path / "bundle"), tmp_path / "mine.csv"
    mine.write_text("mine")
    for words in (
        ["pack", str(bundle), "--out"],
        ["bench", str(bundle), "--json"],
        ["bench", str(bundle), "--picture"],
    ):
        with pytest.raises(UserError, match=r"mine.csv: is there already, and by its name no \.(zip|json|svg) file"):
            main([*words, str(mine)])
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("name", ["key.pem", "bundle.json", "new/key.pem"])
def test_no_key_is_made_in_the_bundle_that_it_signs(tmp_path: Path, name: str) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    (tmp_path / "link").symlink_to("bundle")
    before = sorted(bundle.iterdir())
    for folder in (bundle, tmp_path / "link"):
        with pytest.raises(UserError, match=r"--key: .* name another place"):
            main(["sign", str(bundle), "--new-key", "--key", str(folder / name)])
    assert sorted(bundle.iterdir()) == before
    assert main(["sign", str(bundle), "--new-key", "--key", str(tmp_path / "key.pem")]) == 0


def test_figures_and_picture_are_two_files(tmp_path: Path) -> None:
    bundle, one = make_bundle(tmp_path / "bundle"), tmp_path / "one"
    (tmp_path / "link").symlink_to("one")
    for picture in (one, tmp_path / "bundle" / ".." / "one", tmp_path / "link"):
        with pytest.raises(UserError, match=r"--picture .*: is what --json names, too; name another file"):
            main(["bench", str(bundle), "--json", str(one), "--picture", str(picture)])
    assert not one.exists()
