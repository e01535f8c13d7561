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
    """Return the services that a profile starts, by name, as docker-compose understands them."""
    command = [str(COMPOSE), "--file", str(ROOT / "docker-compose.yml"), "--profile", profile, "config"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    assert result.returncode == 0, result.stderr
    services = yaml.safe_load(result.stdout)["services"]
    return {name: service for name, service in services.items() if service["profiles"] == [profile]}


@needs_compose
@pytest.mark.parametrize(("profile", "device"), [("cpu", "cpu"), ("gpu", "cuda")])
def test_each_profile_is_one_careful_service(profile: str, device: str) -> None:
    (service,) = composed(profile).values()
    assert service["build"]["args"] == {"RUNTIME": profile}
    assert service["command"] == ["--device", device, "--allow-anonymous", "--allowed-hosts", "serve"]
    assert service["read_only"] is True
    assert service["tmpfs"]
    assert service["deploy"]["resources"]["limits"]["memory"]
    (published,) = service["ports"]
    assert str(published).startswith("127.0.0.1:")  # as it asks for no keys
    devices = service["deploy"]["resources"].get("reservations", {}).get("devices", [])
    assert [device["driver"] for device in devices] == (["nvidia"] if profile == "gpu" else [])


@needs_compose
def test_bundle_and_port_are_the_users(tmp_path: Path) -> None:
    (service,) = composed("cpu", BUNDLE=str(tmp_path), PORT="9123").values()
    assert service["volumes"] == [f"{tmp_path}:/bundle:ro"]
    assert service["ports"] == ["127.0.0.1:9123:8000/tcp"]


@needs_compose
def test_what_watches_it_is_as_careful() -> None:
    services = composed("monitoring")
    assert services.keys() == {"prometheus", "grafana"}
    for service in services.values():
        assert service["read_only"] is True
        assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"])
        assert service["deploy"]["resources"]["limits"]["memory"]
        (published,) = service["ports"]
        assert str(published).startswith("127.0.0.1:")
        mounted = [volume.split(":") for volume in service["volumes"]]
        assert all(Path(source).exists() and mode == ["ro"] for source, _, *mode in mounted if "/" in source)


def test_prometheus_asks_for_the_service_by_a_name_that_it_answers_to() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    ((target,),) = (job["targets"] for job in config["scrape_configs"][0]["static_configs"])
    for service in (compose["services"]["serve-cpu"], compose["services"]["serve-gpu"]):
        (alias,) = service["networks"]["default"]["aliases"]
        assert target == f"{alias}:8000"
        assert service["command"][-2:] == ["--allowed-hosts", alias]


def test_every_variable_is_in_the_example_with_its_default() -> None:
    read = re.findall(r"\$\{(\w+):-([^}]*)\}", (ROOT / "docker-compose.yml").read_text())
    example = re.findall(r"^(\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(read) == sorted(example)


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
