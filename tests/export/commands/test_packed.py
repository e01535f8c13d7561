"""Bundles in one file and signed bundles: what is accepted, and what a stranger's cannot do."""

import contextlib
import json
import shutil
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.support.tiny_bundle import SPEC, make_bundle
from export.__main__ import main
from export.bundle.archive import open_bundle
from export.bundle.folder import read_bundle
from export.bundle.manifest import BundleError
from export.commands.pack import pack_bundle
from export.commands.sign import make_keys, sign_bundle
from export.runtimes import Runtime
from export.runtimes.loading import load_runtime
from rgbd.errors import UserError
from tests.support.commands import assert_refused, run_module


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "bundle", "rgb")


def loaded(path: Path) -> Runtime:
    with open_bundle(path) as opened:
        return load_runtime(opened)


def name_of(path: Path, public: Path) -> str:
    with open_bundle(path, public) as opened:
        return opened.manifest.name


def rewritten(source: Path, target: Path, **contents: bytes) -> Path:
    """Copy a .zip with other contents of some members, named without their dots."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, contents.get(name.replace(".", "_"), old.read(name)))
    return target


def test_a_packed_bundle_answers_as_its_folder_does(bundle: Path) -> None:
    bundle.with_name(".bundle.7.tmp.zip").write_bytes(b"half, by one that was killed")
    result = run_module("export", "pack", bundle)
    assert result.returncode == 0, result.stderr
    packed = bundle.with_name("bundle.zip")
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["bundle", "bundle.zip"]
    clip = np.full((1, *SPEC.shape), (10, 200, 30), np.uint8)
    from_folder, from_zip = (loaded(path).infer({"rgb": clip}) for path in (bundle, packed))
    np.testing.assert_array_equal(from_folder["logits"], from_zip["logits"])
    assert "tiny 1" in run_module("export", "inspect", packed).stdout


def test_of_a_zip_only_what_is_listed_is_written(bundle: Path, tmp_path: Path) -> None:
    packed = tmp_path / "bundle.zip"
    pack_bundle(read_bundle(bundle), packed)
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("unlisted.bin", b"x")
    with open_bundle(packed) as opened:
        assert sorted(path.name for path in opened.folder.iterdir()) == ["bundle.json", "model.onnx"]
        folder = opened.folder
    assert not folder.exists()
    # Nothing larger than listed, however well it was packed, and nothing elsewhere.
    bomb = rewritten(packed, tmp_path / "bomb.zip", model_onnx=bytes(50_000_000))
    with pytest.raises(BundleError, match="does not match the hash"), open_bundle(bomb):
        pass
    manifest = json.loads((bundle / "bundle.json").read_text())
    manifest["files"][0]["path"] = manifest["artifacts"][0]["path"] = "../model.onnx"
    outside = rewritten(packed, tmp_path / "outside.zip", bundle_json=json.dumps(manifest).encode())
    with pytest.raises(BundleError, match="outside the bundle"), open_bundle(outside):
        pass
    manifest["files"][0]["path"] = manifest["artifacts"][0]["path"] = "model.onnx"
    manifest["files"][0]["size_bytes"] = 10**12
    huge = rewritten(packed, tmp_path / "huge.zip", bundle_json=json.dumps(manifest).encode())
    with pytest.raises(BundleError, match="larger than 8 GB"), open_bundle(huge):
        pass
    manifest["files"][0]["size_bytes"] = -1  # which would mean: all that there is
    negative = rewritten(packed, tmp_path / "negative.zip", bundle_json=json.dumps(manifest).encode())
    with pytest.raises(BundleError, match="size_bytes"), open_bundle(negative):
        pass
    manifest["files"][0] |= {"size_bytes": 1, "path": "model\0.onnx"}
    manifest["artifacts"][0]["path"] = "model\0.onnx"
    nameless = rewritten(packed, tmp_path / "nameless.zip", bundle_json=json.dumps(manifest).encode())
    with pytest.raises(BundleError, match=r"'model\\x00\.onnx' is no path"), open_bundle(nameless):
        pass
    (tmp_path / "torn.zip").write_bytes(packed.read_bytes()[:-100])
    with pytest.raises(BundleError, match="cannot be unpacked"), open_bundle(tmp_path / "torn.zip"):
        pass


def test_a_damaged_zip_is_refused_wherever_the_damage_is(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "deflated.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in bundle.iterdir():
            archive.write(file, file.name)
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 50):
        path.write_bytes(whole[:place] + bytes(20) + whole[place + 20 :])
        with contextlib.suppress(BundleError), open_bundle(path):
            pass


def test_a_folder_is_packed_from_within(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundle)
    main(["pack", "."])
    assert loaded(bundle.with_name("bundle.zip"))


def test_where_a_signature_is_required_no_other_bundle_is_served(bundle: Path, tmp_path: Path) -> None:
    key, stranger = tmp_path / "key.pem", tmp_path / "stranger.pem"
    public, _ = make_keys(key), make_keys(stranger)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(BundleError, match="is not signed"):
        name_of(bundle, public)
    assert run_module("export", "sign", bundle, "--key", key).returncode == 0
    assert name_of(bundle, public) == "tiny"
    pack_bundle(read_bundle(bundle), tmp_path / "bundle.zip")
    assert name_of(tmp_path / "bundle.zip", public) == "tiny"
    manifest = bundle / "bundle.json"
    manifest.write_text(manifest.read_text().replace('"red"', '"crimson"'))
    assert read_bundle(bundle).manifest.labels[0] == "crimson"
    with pytest.raises(BundleError, match=r"its signature is not of .*key\.pub\.pem, or bundle\.json was changed"):
        name_of(bundle, public)
    sign_bundle(bundle, stranger)
    with pytest.raises(BundleError, match="its signature is not of"):
        name_of(bundle, public)
    (bundle / "bundle.json.sig").write_text("§")
    with pytest.raises(BundleError, match="its signature is not of"):
        name_of(bundle, public)


def test_keys_are_not_overwritten_and_others_are_refused(bundle: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    result = run_module("export", "sign", "--new-key", "--key", key)
    assert result.returncode == 0 and "key.pub.pem" in result.stderr
    with pytest.raises(UserError, match="a lost key cannot be made again"):
        make_keys(key)
    assert_refused(run_module("export", "sign", bundle, "--key", bundle / "model.onnx"), "no private ed25519 key")
    assert_refused(run_module("serve", "--bundle", bundle, "--require-signature", key), "no public ed25519 key")
    shutil.rmtree(bundle)
    assert_refused(run_module("export", "sign", bundle, "--key", key), "bundle.json: cannot be read")
