"""Where settings come from, which of them wins, and what is said of wrong ones."""

from pathlib import Path

import httpx
import pytest

from benchmarks.support.tiny_bundle import make_bundle
from tests.support.commands import assert_refused, run_module
from tests.support.server import running_server


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "bundle")


def test_flags_win_over_the_environment_and_that_over_the_file(bundle: Path, tmp_path: Path) -> None:
    config = tmp_path / "service.toml"
    config.write_text(f'bundle = "{bundle}"\nport = 0\nmax_batch = 1\nmax_frames = 10\nmax_requests = 7\n')
    result = run_module(
        "serve", "check", "--config", config, "--max-batch", 3, RGBD_MOTION_MAX_BATCH="2", RGBD_MOTION_MAX_FRAMES="20"
    )
    assert result.returncode == 0, result.stderr
    for setting in (f"bundle={bundle}", "max_batch=3", "max_frames=20", "max_requests=7", "max_upload_mb=200"):
        assert setting in result.stderr
    assert "serving tiny 1 (rgbd, 3 classes) with onnxruntime in fp32 on cpu" in result.stderr
    assert "all is well" in result.stderr
    assert run_module("serve", "check", RGBD_MOTION_CONFIG=str(config)).returncode == 0


def test_the_address_that_is_printed_can_be_opened(bundle: Path) -> None:
    with running_server(bundle, host="::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert httpx.get(server.url + "/v2/health/ready").status_code == 200


def test_passwords_are_not_printed(bundle: Path) -> None:
    result = run_module(
        "serve", "check", "--bundle", bundle, "--port", 0, "--otlp-endpoint", "http://me:secret@127.0.0.1:4318"
    )
    assert "otlp_endpoint=http://***@127.0.0.1:4318" in result.stderr
    assert "secret" not in result.stderr


def test_a_wrong_setting_is_named(bundle: Path, tmp_path: Path) -> None:
    config = tmp_path / "service.toml"
    config.write_text("max_bacth = 1\n")
    assert_refused(run_module("serve", "check", "--config", config, "--bundle", bundle), "did you mean max_batch?")
    config.write_text("max_batch = \n")
    assert_refused(run_module("serve", "check", "--config", config, "--bundle", bundle), "is no TOML")
    assert_refused(run_module("serve", "--config", tmp_path / "none.toml"), "there is no such file of settings")
    assert_refused(run_module("serve", "--bundle", bundle, "--device", "gpu"), "device 'gpu': give one of cpu, cuda")
    assert_refused(
        run_module("serve", "--bundle", bundle, RGBD_MOTION_MAX_FRAME="1"),
        "RGBD_MOTION_MAX_FRAME: there is no such setting; did you mean max_frames?",
    )
    assert_refused(run_module("serve", "--bundle", bundle, "--max-batch", "0"), "max_batch: Input should be greater")
    assert_refused(run_module("serve"), "give either a bundle or a folder of models")
    assert_refused(run_module("serve", "--bundle", bundle, "--models", tmp_path), "give either")


def test_every_flag_is_explained() -> None:
    shown = run_module("serve", "--help", COLUMNS="80").stdout
    for words in ("--max-upload-mb", "MiB of one request (default: 200)", "--models", "RGBD_MOTION_MAX_BATCH", "check"):
        assert words in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_flags_are_read_as_the_lines_of_the_file_are(bundle: Path, tmp_path: Path) -> None:
    config = tmp_path / "service.toml"
    config.write_text(f'bundle = "{bundle}"\nport = 0\nallow_anonymous = true\ncors_origins = ["http://a.example"]\n')
    shown = run_module("serve", "check", "--config", config).stderr
    assert "allow_anonymous=True" in shown and "cors_origins=('http://a.example',)" in shown
    flags = ("--no-allow-anonymous", "--cors-origins", "http://b.example,http://c.example", "--max-batch=3")
    shown = run_module("serve", "check", "--config", config, *flags).stderr
    assert "allow_anonymous=False" in shown and "max_batch=3" in shown
    assert "cors_origins=('http://b.example', 'http://c.example')" in shown
    flags = ("--allowed-hosts", "b.example,c.example", "--allowed-hosts", "d.example")
    shown = run_module("serve", "check", "--config", config, *flags).stderr
    assert "allowed_hosts=('b.example', 'c.example', 'd.example')" in shown
