"""A family of networks that the packages know nothing of, from the first epoch to the service, by public commands.

Nothing is told to them but `network.name`; every command is a process of its own.
"""

import io
import json
import zipfile
from pathlib import Path

import httpx
import pytest

from rgbd.dataset.layouts import NTU
from rgbd.dataset.splits import read_split
from tests.support.commands import assert_refused, run_module
from tests.support.processed import write_clips, write_config
from tests.support.server import running_server
from training.run.checkpoint import load_checkpoint

pytestmark = pytest.mark.slow

NETWORK = {"name": "tests.support.toy_family:FAMILY", "channels": 6}
SCHEDULE = {"epochs": 2, "warmup_epochs": 1, "sharpening": 0.5}
HEADS = ["verdict", "of_rgb", "of_depth"]
PRECISIONS = ("fp32", "int8")


def train(data: Path, modality: str, *words: str, **sections: object) -> Path:
    """Train one modality beside the data, with further words of the command; returns the run's folder."""
    out = data.parent / modality
    settings = {"modality": modality, "network": NETWORK, "schedule": SCHEDULE, "optimizer": {"lr": 0.05}, **sections}
    config = write_config(out.with_suffix(".yml"), data, out, **settings)
    result = run_module("training.main", "--config", config, *words)
    assert result.returncode == 0, result.stdout + result.stderr
    return out


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a processed data set of two classes."""
    root = tmp_path_factory.mktemp("own") / "data"
    write_clips(root, clips={"train": 32, "valid": 8})
    return root


@pytest.fixture(scope="module")
def fusion(data: Path) -> Path:
    """Return the run of both streams, begun from one of each; RGB went on once after it had ended."""
    rgb = train(data, "rgb")
    first = load_checkpoint(rgb / "last.pt")
    train(data, "rgb", "--resume", "auto", "--set", "schedule.epochs=3")
    last = load_checkpoint(rgb / "last.pt")
    assert (first.position.epoch, last.position.epoch) == (2, 3)
    assert (first.epoch_state, last.epoch_state) == ({"sharpness": 1.5}, {"sharpness": 2.0})
    depth = train(data, "depth")
    return train(data, "rgbd", streams={"rgb": str(rgb / "best.pt"), "depth": str(depth / "best.pt")})


@pytest.fixture(scope="module")
def bundle(data: Path, fusion: Path) -> Path:
    """Return the fusion's bundle for all that runs here, int8 included."""
    out = data.parent / "bundle"
    what = ("--precision", ",".join(PRECISIONS), "--formats", "onnx,openvino", "--max-batch", 2)
    clips = ("--data", data, "--calibration", data, "--max-drop", 50, "--alone", "rgb,depth")
    result = run_module("export", "--checkpoint", fusion / "best.pt", "--out", out, *what, *clips)
    assert result.returncode == 0, result.stderr
    return out


def zipped_clip(data: Path, stream: str, clip: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(NTU.frame_path(data, stream, clip, 0).parent.iterdir()):  # type: ignore[arg-type]
            archive.write(path, path.name)
    return buffer.getvalue()


def test_it_is_evaluated_by_its_own_heads(fusion: Path) -> None:
    result = run_module("training.evaluate", "--checkpoint", fusion / "best.pt", "--flip")
    assert_refused(result, "holds scores of something else (flip True, not False)", "--out")
    flipped = fusion.parent / "flipped"
    result = run_module("training.evaluate", "--checkpoint", fusion / "best.pt", "--flip", "--out", flipped)
    assert result.returncode == 0, result.stderr
    (figures,) = json.loads((flipped / "metrics-valid.json").read_text())["metrics"].values()
    assert set(figures) == {"top1", "top1_of_rgb", "top1_of_depth", "top5", "mean_class", "ece", "ece_raw"}


def test_its_page_shows_what_it_draws(fusion: Path) -> None:
    result = run_module("training.report", fusion)
    assert result.returncode == 0, result.stderr
    page = (fusion / "report.html").read_text()
    assert "Where the eyes see most." in page
    assert "frames, sight" in page


def test_what_is_exported_is_what_it_says(bundle: Path) -> None:
    manifest = json.loads((bundle / "bundle.json").read_text())
    assert [output["name"] for output in manifest["outputs"]] == HEADS
    assert manifest["outputs"][1]["meaning"] == "scores of the RGB stream alone"
    made = {artifact["runtime"] + "-" + artifact["precision"] for artifact in manifest["artifacts"]}
    assert made == {"onnxruntime-fp32", "openvino-fp32", "openvino-int8"}
    assert all(artifact["parity"]["num_clips"] > 8 for artifact in manifest["artifacts"])
    layers = json.loads((bundle / "quantization.json").read_text())["layers"]
    assert {layer["reason"] for layer in layers if not layer["name"].startswith("eyes")} == {"the heads are small"}
    assert any(layer["precision"] == "int8" for layer in layers)


@pytest.mark.parametrize("sent", [("rgb", "depth"), ("rgb",)])
def test_it_is_served(data: Path, bundle: Path, sent: tuple[str, ...]) -> None:
    entry = read_split(NTU.split_file(data, "valid", "CS"), NTU)[0]
    files = {stream: (f"{stream}.zip", zipped_clip(data, stream, entry.clip)) for stream in sent}
    with running_server(bundle) as server:
        answer = httpx.post(server.url + "/predict", files=files, timeout=60)
        assert answer.status_code == 200, answer.text
        reply = answer.json()
        assert sorted(prediction["label"] for prediction in reply["predictions"]) == ["down", "right"]
        assert {stream for stream, ranked in reply["streams"].items() if ranked} == set(sent)
        assert bool(reply["warnings"]) == (len(sent) == 1)


def test_a_section_that_the_family_does_not_have_is_refused(data: Path) -> None:
    config = write_config(data.parent / "x.yml", data, data.parent / "x", network=NETWORK, schedule={"tau": [1, 1]})
    assert_refused(run_module("training.main", "--config", config), "schedule.tau: is an unknown key")
    config = write_config(data.parent / "x.yml", data, data.parent / "x", network={"name": "no.such:FAMILY"})
    assert_refused(run_module("training.main", "--config", config), "network", "no.such:FAMILY")
