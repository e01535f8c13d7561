"""`python -m export` where torch is not installed: its help, and the commands that do without."""

import shutil
from pathlib import Path

import pytest

from benchmarks.support.tiny_bundle import make_bundle
from export.bundle.folder import read_bundle, write_manifest
from export.commands import COMMANDS
from tests.support.commands import assert_refused, run_module, run_without_torch


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("without_torch") / "bundle", "rgb")


def test_the_help_lists_each_command_in_a_line() -> None:
    result = run_without_torch("export", "--help")
    assert result.returncode == 0, result.stderr
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    for name, command in COMMANDS.items():
        assert f"{name} {command.help}" in lines
    assert any(line.startswith("--checkpoint") for line in lines)
    told = run_module("export", "pack", "--help").stdout
    assert "python -m export pack" in told and "--out" in told and "--checkpoint" not in told


def test_an_export_says_what_is_not_installed(tmp_path: Path) -> None:
    (tmp_path / "best.pt").touch()
    words = ("--checkpoint", tmp_path / "best.pt", "--out", tmp_path / "bundle")
    assert_refused(run_without_torch("export", *words), "export needs torch; see the extras in the README")


def test_commands_on_bundles_do_without(bundle: Path, tmp_path: Path) -> None:
    for words in (
        ("inspect", bundle),
        ("pack", bundle, "--out", tmp_path / "bundle.zip"),
        ("sign", "--new-key", "--key", tmp_path / "key.pem"),
        ("triton", bundle, "--out", tmp_path / "triton"),
        ("build-engine", "--help"),
    ):
        result = run_without_torch("export", *words)
        assert result.returncode == 0, result.stderr


def test_verifying_goes_on_with_the_answer_that_the_bundle_carries(bundle: Path, tmp_path: Path) -> None:
    before = (bundle / "bundle.json").read_bytes()
    result = run_without_torch("export", "verify", bundle)
    assert result.returncode == 0, result.stderr
    said = " ".join(result.stdout.split())
    assert "onnxruntime-fp32" in said and "100% of 1" in said
    assert "Comparing on more clips needs torch, which is not installed" in said
    assert (bundle / "bundle.json").read_bytes() == before
    refused = run_without_torch("export", "verify", bundle, "--data", tmp_path)
    assert_refused(refused, "--data", "needs torch")


def test_without_torch_a_wrong_or_damaged_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle, tmp_path / "bundle")
    manifest = read_bundle(copy).manifest
    other = {head: tuple(-score for score in scores) for head, scores in manifest.check.items()}
    write_manifest(copy, manifest.model_copy(update={"check": other}))
    assert_refused(run_without_torch("export", "verify", copy), "onnxruntime-fp32: its scores differ from PyTorch's")
    (copy / "model.onnx").write_bytes(b"damaged")
    assert_refused(run_without_torch("export", "verify", copy), "does not match the hash")
