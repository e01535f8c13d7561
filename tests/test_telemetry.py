"""Nothing calls home: whom the programs turn to, and what they leave in the user's folder, from start to end."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks.support.tiny_bundle import make_bundle
from export import switch_off_telemetry
from export.bundle.folder import read_bundle, write_manifest
from export.bundle.manifest import Artifact
from rgbd.recording.videos.video import write_video
from tests.support.contacts import ROOT, contacts
from tests.support.ntu_recordings import make_recording
from tests.support.ntu_runs import times_of
from tests.support.page import CHROMIUM
from tests.support.processed import write_clips, write_config
from tests.support.uploads import rgb_frames

LOOKING_UP = """
import socket
try:
    socket.getaddrinfo("collector.invalid.", 443)
except OSError:
    pass
try:
    socket.create_connection(("203.0.113.1", 443), timeout=0.1)
except OSError:
    pass
"""

# Longer than ONNX Runtime keeps its events before it looks its collector up: 8 s.
SERVING = """
import sys, time
import httpx
from pathlib import Path
from benchmarks.support.server import running_server
with running_server(models=Path(sys.argv[1])) as server:
    for model in ("onnxruntime", "openvino"):
        files = {"rgb": Path(sys.argv[2]).read_bytes()}
        answer = httpx.post(f"{server.url}/predict", params={"model": model}, files=files, timeout=60)
        assert answer.status_code == 200 and answer.json()["model"]["runtime"] == model, answer.text
    time.sleep(12)
"""

ON_RAY = """
import subprocess, sys, time
from pathlib import Path
import httpx
from benchmarks.support.ports import free_port
from benchmarks.support.server import running_server
from tests.support.ray_cluster import running_cluster
from tests.support.uploads import FILES
home, raw, out, bundle = map(Path, sys.argv[1:])
with running_cluster(home) as cluster:
    command = ("--raw", raw, "--out", out, "--engine", "ray", "--address", cluster.address)
    subprocess.run([sys.executable, "-m", "preprocess.ntu", *command], check=True)
    words = ("serve", "ray", "--address", cluster.address)
    with running_server(bundle, module=words, port=free_port(), num_decoders=1, max_live=0) as server:
        httpx.post(f"{server.url}/predict", files=FILES, timeout=60).raise_for_status()
    time.sleep(5)  # the head speaks when it has started
"""

QUANTIZING = """
import sys
import export.build.quantize
import nncf, numpy, onnx
model = onnx.load(sys.argv[1])
clip = numpy.zeros([1, *(size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim[1:])], numpy.uint8)
nncf.quantize(model, nncf.Dataset([{"rgb": clip}]), subset_size=1)
"""

BROWSING = """
from playwright.sync_api import sync_playwright
from tests.support.page import ARGUMENTS, CHROMIUM
with sync_playwright() as playwright:
    page = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS).new_page()
    page.set_content("<input>")
    page.wait_for_timeout(5000)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with a model for each of the two runtimes, called as they are."""
    folder = tmp_path / "models"
    for name in ("onnxruntime", "openvino"):
        manifest = read_bundle(make_bundle(folder / name / "1", "rgb")).manifest
        artifact = Artifact(runtime=name, precision="fp32", path="model.onnx")
        write_manifest(folder / name / "1", manifest.model_copy(update={"artifacts": (artifact,)}))
    return folder


def assert_silent(home: Path, *command: object) -> None:
    """Check that a command of Python turns to nobody, and leaves no identifier and no queue of reports."""
    assert contacts(home, sys.executable, *command) == set()
    assert sorted(home.rglob("*")) == []


def test_the_trace_sees_a_look_up_and_a_connection(home: Path) -> None:
    assert contacts(home, sys.executable, "-c", LOOKING_UP) == {"collector.invalid", "203.0.113.1:443"}


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    switch_off_telemetry()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"


@pytest.mark.slow
def test_the_service_calls_nobody(home: Path, models: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", rgb_frames())
    assert_silent(home, "-c", SERVING, models, tmp_path / "clip.mp4")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_benchmark_of_a_bundle_calls_nobody(home: Path, models: Path, name: str) -> None:
    assert_silent(home, "-m", "export", "bench", models / name / "1")


@pytest.mark.slow
def test_a_ray_cluster_calls_nobody(home: Path, tmp_path: Path) -> None:
    """Neither the run of a preprocessing there, nor replicas of the service."""
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    bundle = make_bundle(tmp_path / "bundle")
    assert contacts(home, sys.executable, "-c", ON_RAY, home, raw, out, bundle) == set()
    assert len(times_of(out)) == 1


@pytest.mark.slow
def test_quantization_calls_nobody(home: Path, models: Path) -> None:
    assert_silent(home, "-c", QUANTIZING, models / "openvino" / "1" / "model.onnx")


@pytest.mark.slow
def test_training_calls_nobody(home: Path, tmp_path: Path) -> None:
    write_clips(tmp_path / "data", clips={"train": 8, "valid": 2})
    config = write_config(tmp_path / "config.yml", tmp_path / "data", tmp_path / "out")
    script = (ROOT / "training" / "main.py", "--config", config, "--set", "schedule.epochs=1")
    assert_silent(home, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", *script)


@pytest.mark.slow
def test_the_tests_call_nobody(home: Path) -> None:
    """Not even those that import a runtime before anything of ours."""
    assert_silent(
        home, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", "tests/export/runtimes/test_tensorrt.py"
    )


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="whom the browser turns to is not tested: no chromium on this machine")
def test_the_browser_of_the_tests_calls_nobody(home: Path) -> None:
    """It asks the kernel for a way to an address of IPv6, as each Chromium does, and sends nothing there."""
    asked = contacts(home, sys.executable, "-c", BROWSING)
    assert asked <= {"2001:4860:4860::8888:443"}
