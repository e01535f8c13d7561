"""`python -m export verify` and `inspect`: what they say of a bundle, and what they refuse."""

import json
import os
import re
import shutil
import signal
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
import torch

from export.__main__ import main
from export.build.calibration import Calibration
from export.build.create import create_bundle
from export.build.plan import ExportOptions, wanted
from export.bundle.folder import Bundle, read_bundle, write_manifest
from export.bundle.manifest import BundleError, Speed
from export.commands.sign import make_keys, sign_bundle
from export.runtimes import Inputs, Outputs, Runtime
from export.runtimes.loading import unavailable_reason
from export.runtimes.openvino import can_compute
from export.verification.dataset_clips import labelled_inputs
from export.verification.source import source_of
from export.verification.verify import verify_bundle
from rgbd.errors import UserError
from tests.support.checkpoints import TOY, untrained, write_data
from tests.support.commands import assert_refused, run_module
from tests.support.waiting import wait_until
from tests.support.warm import TalkingProcess

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, its bundle in ONNX only, and clips. Its network is one that is exported in a moment."""
    folder = tmp_path_factory.mktemp("commands")
    write_data(folder / "data")
    options = ExportOptions("tiny", ("onnx",), ("fp32",), answer_only=True)
    create_bundle(untrained("rgbd", folder / "best.pt", **TOY), folder / "bundle", options)
    return folder


def test_verifying_measures_on_real_clips_and_writes_that_down(folder: Path) -> None:
    result = run_module("export", "verify", folder / "bundle", "--data", folder / "data")
    assert result.returncode == 0, result.stderr
    assert "onnxruntime-fp32" in result.stdout and "100% of 16" in result.stdout
    (artifact,) = read_bundle(folder / "bundle").manifest.artifacts
    assert artifact.parity is not None and artifact.parity.num_clips == 11 + 5
    assert artifact.parity.clips == f"made from a seed, and {folder / 'data'}"


def test_each_clip_is_asked_of_pytorch_once_for_all_batches_and_artifacts(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "bundle", tmp_path / "bundle")
    bundle = read_bundle(tmp_path / "bundle")
    source = source_of(bundle)
    pytorch = CountingRuntime(source.pytorch)
    verified = verify_bundle(bundle, replace(source, pytorch=pytorch), folder / "data")  # type: ignore[arg-type]
    assert pytorch.num_clips == bundle.manifest.max_batch + 5
    parity = verified.manifest.artifacts[0].parity
    assert parity is not None and parity.num_clips == 1 + 2 + 8 + 5 and parity.top1_agreement == 1


class CountingRuntime:
    """A runtime that counts the clips that it is asked about."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime, self.info, self.num_clips = runtime, runtime.info, 0

    def infer(self, inputs: Inputs) -> Outputs:
        self.num_clips += len(next(iter(inputs.values())))
        return self._runtime.infer(inputs)


def test_measuring_on_one_device_leaves_the_speed_on_others(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "bundle", tmp_path / "bundle")
    bundle = read_bundle(tmp_path / "bundle")
    (artifact,) = bundle.manifest.artifacts
    speeds = {"cpu": Speed(latency_ms=12345, machine="before"), "cuda": Speed(latency_ms=0.5, machine="a GPU")}
    artifact = artifact.model_copy(update={"speeds": speeds})
    write_manifest(bundle.folder, bundle.manifest.model_copy(update={"artifacts": (artifact,)}))
    result = run_module("export", "verify", tmp_path / "bundle", "--device", "cpu")
    assert result.returncode == 0, result.stderr
    assert "ms, cpu" in result.stdout and "ms, cuda" in result.stdout
    (measured,) = read_bundle(tmp_path / "bundle").manifest.artifacts
    assert measured.speeds["cuda"] == speeds["cuda"]
    assert measured.speeds["cpu"].latency_ms < 12345 and measured.speeds["cpu"].machine != "before"


def test_a_bundle_has_the_version_of_its_checkpoint_or_the_one_that_is_given(folder: Path, tmp_path: Path) -> None:
    manifest = read_bundle(folder / "bundle").manifest
    assert manifest.version == f"epoch1-{sha256((folder / 'best.pt').read_bytes()).hexdigest()[:8]}"
    words = ("--checkpoint", folder / "best.pt", "--out", tmp_path / "bundle", "--formats", "onnx", "--max-batch", 1)
    result = run_module("export", *words, "--version", "2026.11")
    assert result.returncode == 0, result.stderr
    named = read_bundle(tmp_path / "bundle")
    assert named.manifest.version == "2026.11"
    steps = (
        f"loading {folder / 'best.pt'}",
        "asking PyTorch about the known clip",
        "tracing the network for model.onnx",
        "measuring the memory of onnxruntime-fp32",
        "asking PyTorch about these clips",
        "comparing onnxruntime-fp32 with PyTorch, and timing it",
    )
    said = [line for line in result.stderr.splitlines() if line.startswith(steps)]
    assert said[::2] == [f"{name} ..." for name in steps]  # in a log, each when it begins and when it ends
    assert all(re.fullmatch(rf"{re.escape(name)}: \d+ s", line) for name, line in zip(steps, said[1::2], strict=True))
    metadata = {entry.key: entry.value for entry in onnx.load(tmp_path / "bundle" / "model.onnx").metadata_props}
    assert json.loads(metadata["version"]) == "2026.11"


def test_an_artifact_that_answers_something_else_fails_and_its_figures_stay(folder: Path, tmp_path: Path) -> None:
    checkpoint = torch.load(folder / "best.pt", weights_only=True)
    checkpoint["model"]["verdict.bias"] += 1
    torch.save(checkpoint, tmp_path / "other.pt")
    shutil.copytree(folder / "bundle", tmp_path / "bundle")
    bundle = read_bundle(tmp_path / "bundle")
    with pytest.raises(BundleError, match="is not the checkpoint that"):
        source_of(bundle, tmp_path / "other.pt")
    # A bundle whose graph belongs to other weights than it says: only the comparison can tell.
    text = (tmp_path / "bundle" / "bundle.json").read_text()
    manifest = json.loads(text)
    other = tmp_path / "other.pt"
    manifest["source"] |= {"checkpoint": str(other), "checkpoint_sha256": sha256(other.read_bytes()).hexdigest()}
    (tmp_path / "bundle" / "bundle.json").write_text(json.dumps(manifest))
    bundle = read_bundle(tmp_path / "bundle")
    with pytest.raises(UserError, match="its scores differ from PyTorch's"):
        verify_bundle(bundle, source_of(bundle), None)
    assert read_bundle(tmp_path / "bundle") == bundle


def test_a_bundle_of_one_clip_at_a_time_is_not_tried_with_more(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "bundle", tmp_path / "bundle")
    manifest = read_bundle(tmp_path / "bundle").manifest
    single = Bundle(tmp_path / "bundle", manifest.model_copy(update={"max_batch": 1}))
    (artifact,) = verify_bundle(single, source_of(single), None).manifest.artifacts
    assert artifact.parity is not None and artifact.parity.num_clips == 1


def test_the_benchmark_times_every_artifact_side_by_side(folder: Path, tmp_path: Path) -> None:
    figures, drawn = tmp_path / "bench.json", tmp_path / "bench.svg"
    words = ("--batch", "1,3", "--rounds", 2, "--json", figures, "--picture", drawn)
    result = run_module("export", "bench", folder / "bundle", *words)
    assert result.returncode == 0, result.stderr
    report = json.loads(figures.read_text())
    assert [(row["artifact"], row["batch"]) for row in report["rows"]] == [
        ("onnxruntime-fp32", 1),
        ("onnxruntime-fp32", 3),
        ("torch-fp32", 1),
        ("torch-fp32", 3),
    ]
    stages = {f"{stage} {stream}" for stage in ("decode", "transform") for stream in ("rgb", "depth")}
    for row in report["rows"]:
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] and row["peak_mb"] > 0 and row["load_s"] > 0
        assert row["clips_per_s"] == pytest.approx(1000 * row["batch"] / row["p50_ms"])
    assert report["stages_ms"].keys() == stages | {"network, onnxruntime-fp32"}
    assert all(milliseconds > 0 for milliseconds in report["stages_ms"].values())
    assert drawn.read_text().count("<rect") == 4 and "torch-fp32, 3 at a time" in drawn.read_text()
    assert_refused(
        run_module("export", "bench", folder / "bundle", "--runtimes", "openvino-fp32"),
        "openvino-fp32: not in",
        "choose of onnxruntime-fp32, torch-fp32",
    )
    assert_refused(run_module("export", "bench", folder / "bundle", "--batch", "1,9"), "for batches of up to 8 clips")


def test_inspecting_tells_what_is_in_a_bundle(folder: Path) -> None:
    result = run_module("export", "inspect", folder / "bundle")
    assert result.returncode == 0, result.stderr
    for said in (
        "tiny epoch1-",
        "3: wave, squat, jump",
        "8 frames of 32x32",
        "onnxruntime-fp32",
        "model.onnx",
        "verdict",
    ):
        assert said in result.stdout
    assert "of_rgb" not in result.stdout  # it was exported with the answer alone
    result = run_module("export", "inspect", folder / "bundle", "--json")
    assert json.loads(result.stdout)["labels"] == ["wave", "squat", "jump"]
    assert_refused(run_module("export", "inspect", folder), "bundle.json: cannot be read")


def test_a_bundle_that_came_from_elsewhere_is_told_and_timed(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "bundle", tmp_path / "bundle")
    manifest = read_bundle(tmp_path / "bundle").manifest
    source = manifest.source.model_copy(update={"checkpoint": str(tmp_path / "not here.pt")})
    labels = ("turn [left]", "stop [/x]", "jump")
    write_manifest(tmp_path / "bundle", manifest.model_copy(update={"source": source, "labels": labels}))
    assert "turn [left], stop [/x], jump" in run_module("export", "inspect", tmp_path / "bundle").stdout
    result = run_module("export", "bench", tmp_path / "bundle", "--rounds", 1, "--no-stages")
    assert result.returncode == 0, result.stderr
    assert "onnxruntime-fp32" in result.stdout and "torch-fp32" not in result.stdout
    assert_refused(run_module("export", "verify", tmp_path / "bundle"), "not here.pt: cannot be read", "--checkpoint")


def test_what_cannot_be_made_is_refused_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    words = ("--checkpoint", folder / "best.pt", "--out", tmp_path / "bundle")
    result = run_module("export", *words, "--formats", "onnx", "--precision", "bf16")
    assert_refused(result, "bf16: cannot be made here (no such combination)")
    assert "choose of onnx, openvino" in run_module("export", *words, "--formats", "pickle").stderr
    result = run_module("export", *words, "--data", tmp_path)
    assert_refused(result, str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "thesis.tex").write_text("years of work")
    assert_refused(run_module("export", *words), "exists and is not a bundle")
    below_a_file = tmp_path / "bundle" / "thesis.tex" / "bundle"
    result = run_module("export", "--checkpoint", folder / "best.pt", "--out", below_a_file, "--formats", "onnx")
    assert_refused(result, "Not a directory; choose another place, or correct that")
    assert_refused(run_module("export", "verfiy", folder / "bundle"), "invalid choice: 'verfiy' (choose from")


def test_what_is_named_is_made_or_refused(folder: Path, tmp_path: Path) -> None:
    lacking = {
        "int8": ExportOptions(formats=("onnx",), precisions=("fp32", "int8"), calibration=Calibration(folder, 2, 0.5)),
        "fp16": ExportOptions(formats=("onnx", "openvino"), precisions=("fp32", "fp16")),
        "openvino": ExportOptions(formats=("onnx", "openvino"), precisions=("fp16",)),
    }
    for name, options in lacking.items():
        with pytest.raises(UserError, match=f"{name}.*: cannot be made here"):
            wanted(options)
    words = ["--checkpoint", str(folder / "best.pt"), "--out", str(tmp_path / "bundle")]
    for wrong in (
        ("--name", "../evil"),
        ("--name", ""),
        ("--version", "a/b"),
        ("--max-drop", "-1"),
        ("--max-drop", "nan"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main([*words, *wrong])
    shutil.copytree(folder / "bundle", tmp_path / "bundle")
    shutil.copy(folder / "best.pt", tmp_path / "bundle")
    with pytest.raises(UserError, match="must not be overwritten"):
        main(["--checkpoint", str(tmp_path / "bundle" / "best.pt"), *words[2:]])
    assert (tmp_path / "bundle" / "best.pt").exists()


def test_verifying_says_what_it_leaves_as_it_was(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "bundle", tmp_path / "bundle")
    manifest = read_bundle(tmp_path / "bundle").manifest
    engine = manifest.artifacts[0].model_copy(update={"runtime": "tensorrt", "parity": None, "speeds": {}})
    if unavailable_reason(engine, "cuda") is None:
        pytest.skip("there is a GPU")
    write_manifest(tmp_path / "bundle", manifest.model_copy(update={"artifacts": (*manifest.artifacts, engine)}))
    make_keys(tmp_path / "key.pem")
    sign_bundle(tmp_path / "bundle", tmp_path / "key.pem")
    result = run_module("export", "verify", tmp_path / "bundle")
    assert result.returncode == 0, result.stderr
    assert "bundle.json holds new figures; sign it again" in result.stdout
    assert "tensorrt-fp32: was not compared now: " in result.stdout
    write_manifest(tmp_path / "bundle", manifest.model_copy(update={"artifacts": (engine,)}))
    assert_refused(run_module("export", "verify", tmp_path / "bundle"), "nothing in it can be compared here")


def test_ctrl_c_ends_the_benchmark_without_a_word_of_its_processes(folder: Path) -> None:
    command = ["export", "bench", str(folder / "bundle"), "--rounds", "100000", "--no-stages"]
    process = TalkingProcess(command, os.environ, new_session=True)
    while not has_contenders(process.pid):
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    said, _ = process.communicate()
    assert process.returncode == 130 and "interrupted" in said and "Traceback" not in said


def export_at_work(checkpoint: Path, out: Path, written: str) -> TalkingProcess:
    """Start an export, and return it when it has written something of its temporary folder."""
    process = TalkingProcess(["export", "--checkpoint", str(checkpoint), "--out", str(out)], os.environ)
    wait_until(lambda: bool(list(out.parent.glob(f".{out.name}.{process.pid}.tmp/{written}"))), process)
    return process


def test_a_terminated_export_leaves_nothing_behind_nor_what_a_killed_one_left(folder: Path, tmp_path: Path) -> None:
    checkpoint, out = folder / "best.pt", tmp_path / "bundle"
    process = export_at_work(checkpoint, out, "")
    process.send_signal(signal.SIGSTOP)
    result = run_module("export", "--checkpoint", checkpoint, "--out", out, "--formats", "onnx")
    assert_refused(result, f"bundle: process {process.pid} on ", "has been writing there since")
    process.kill()
    process.communicate()
    assert {path.name for path in tmp_path.iterdir()} == {f".bundle.{process.pid}.tmp", ".bundle.lock"}
    process = export_at_work(checkpoint, out, "*")
    process.terminate()
    said, _ = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM and "interrupted" in said and "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def has_contenders(pid: int) -> bool:
    """Whether a benchmark has started processes for its artifacts."""
    return any("spawn_main" in " ".join(child.cmdline()) for child in psutil.Process(pid).children())


def test_int8_without_clips_to_calibrate_on_is_refused(folder: Path, tmp_path: Path) -> None:
    words = ("--checkpoint", folder / "best.pt", "--out", tmp_path / "bundle", "--formats", "openvino")
    assert_refused(run_module("export", *words, "--precision", "int8"), "int8 needs clips to calibrate on")


def test_int8_is_calibrated_on_real_clips_and_bounded(in_low_precision: Bundle) -> None:
    if not can_compute("int8"):
        pytest.skip("this processor has no int8 instructions")
    artifact = in_low_precision.artifact("openvino-int8")
    assert artifact.parity is not None and artifact.parity.relative_difference < 0.2
    report = json.loads((in_low_precision.folder / "quantization.json").read_text())
    source = source_of(in_low_precision)
    clips = labelled_inputs(source.checkpoint, source.path.parent / "data", "valid", 5)
    top1 = np.mean([source.pytorch.infer(inputs)["logits"].argmax() == label for inputs, label in clips])
    assert (report["validated_on"], report["top1_before"]) == (5, pytest.approx(top1))
    assert report["top1_before"] - report["top1_after"] <= report["max_drop"] == 0.5
    by_name = {layer["name"]: layer for layer in report["layers"]}
    convolutions = [layer for name, layer in by_name.items() if "spatial.mixed" in name]
    assert len(convolutions) == 36 and {layer["precision"] for layer in convolutions} == {"int8"}
    assert all(layer["precision"] == "float" for name, layer in by_name.items() if "guidance/" in name)
    files = {path.name for path in in_low_precision.folder.iterdir()}
    assert {"bundle.json", "model-int8.onnx", "quantization.json"} <= files
    assert all(
        name.startswith(("bundle", "live", "model", "quantization")) for name in files
    )  # and no graph on the way
