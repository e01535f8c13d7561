"""The container's files, as far as they can be tested without a container engine."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.support.tiny_bundle import make_bundle

ROOT = Path(__file__).parent.parent
COMPOSE = shutil.which("docker-compose")
needs_compose = pytest.mark.skipif(COMPOSE is None, reason="docker-compose.yml is not tested: no docker-compose here")


def copied() -> list[Path]:
    """Return what the Dockerfile copies from the checkout, relative to it."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    return [Path(name) for line in lines for name in line.split()[:-1]]


def composed(profile: str, **environment: str) -> dict[str, Any]:
    """Return the one service that a profile starts, as docker-compose understands it."""
    command = [str(COMPOSE), "--file", str(ROOT / "docker-compose.yml"), "--profile", profile, "config"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    assert result.returncode == 0, result.stderr
    services = yaml.safe_load(result.stdout)["services"]
    (service,) = (service for service in services.values() if service["profiles"] == [profile])
    return dict(service)


@needs_compose
@pytest.mark.parametrize(("profile", "device"), [("cpu", "cpu"), ("gpu", "cuda")])
def test_each_profile_is_one_careful_service(profile: str, device: str) -> None:
    service = composed(profile)
    assert service["build"]["args"] == {"RUNTIME": profile}
    assert service["command"] == ["--device", device, "--allow-anonymous"]
    assert service["read_only"] is True
    assert service["tmpfs"]
    assert service["deploy"]["resources"]["limits"]["memory"]
    (published,) = service["ports"]
    assert str(published).startswith("127.0.0.1:")  # as it asks for no keys
    devices = service["deploy"]["resources"].get("reservations", {}).get("devices", [])
    assert [device["driver"] for device in devices] == (["nvidia"] if profile == "gpu" else [])


@needs_compose
def test_bundle_and_port_are_the_users(tmp_path: Path) -> None:
    service = composed("cpu", BUNDLE=str(tmp_path), PORT="9123")
    assert service["volumes"] == [f"{tmp_path}:/bundle:ro"]
    assert service["ports"] == ["127.0.0.1:9123:8000/tcp"]


def test_everything_copied_is_there_and_passes_dockerignore() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert len(copied()) >= 8
    for path in copied():
        assert (ROOT / path).exists(), path
        assert path.parts[0] in allowed, path


def test_what_is_copied_serves_a_bundle_without_torch_and_training(tmp_path: Path) -> None:
    image, bundle = tmp_path / "image", make_bundle(tmp_path / "bundle")
    for path in copied():
        (image / path).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / path).is_dir() else shutil.copy2
        copy(ROOT / path, image / path)
    # None in sys.modules makes an import fail: this environment has what the image has not.
    program = """
import json, sys
from pathlib import Path
sys.modules |= dict.fromkeys(["torch", "training", "preprocess", "clients", "onnx"])
import serve.__main__
from serve.app import create_app
from serve.inference.loading import load_models
from serve.settings import Settings
settings = Settings(bundle=Path(sys.argv[1]))
create_app(load_models(settings), settings)
ours = [m.__file__ for n, m in sys.modules.items() if n.split(".")[0] in {"serve", "export", "rgbd"} and m]
print(json.dumps(ours))
"""
    command = [sys.executable, "-c", program, str(bundle)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=image)
    assert result.returncode == 0, result.stderr
    imported = [Path(file) for file in json.loads(result.stdout)]
    assert len(imported) > 10
    assert all(file.is_relative_to(image) for file in imported), imported
    assert (image / "serve" / "static" / "index.html").is_file()
