"""A runtime is an entry: what the registry promises of those there are, and a third that nothing else knows."""

import json
from pathlib import Path

import pytest

from benchmarks.support.tiny_bundle import make_bundle
from export.__main__ import main
from export.build.create import create_bundle
from export.build.plan import ExportOptions, wanted
from export.bundle.folder import Bundle, read_bundle, write_manifest
from export.bundle.manifest import Artifact
from export.runtimes.loading import load_artifact, load_runtime, unavailable_reason
from export.runtimes.registry import REFERENCE, RUNTIMES, artifacts, devices, formats, precisions, spec_of
from export.verification.known_answer import compare_known_answer
from export.verification.parity import LIMITS
from rgbd.errors import UserError
from tests.support.checkpoints import TOY, untrained
from tests.support.commands import assert_refused, run_module
from tests.support.third_runtime import SPEC


def test_the_registry_is_complete() -> None:
    names = [artifact.name for artifact in artifacts()]
    assert len(names) == len(set(names)) == 8
    for artifact in artifacts():
        spec = spec_of(artifact)
        assert spec.files[artifact.precision].name == artifact.path and artifact.precision in LIMITS
        assert unavailable_reason(artifact, "abacus") == f"{spec.name} does not run on 'abacus'"
    assert list(formats()) == ["onnx", "openvino", "tensorrt"]
    assert precisions() == ("fp32", "bf16", "int8", "fp16")
    assert devices() == ("cpu", "cuda", "tensorrt")
    assert REFERENCE in RUNTIMES.values()


def test_files_that_runtimes_share_are_made_of_one_graph() -> None:
    files = {file for spec in RUNTIMES.values() for file in spec.files.values()}
    assert len({file.name for file in files}) == len(files)
    graphs = [file.graph for file in files if file.write is None]
    assert len(set(graphs)) == len(graphs)  # a graph that is loaded as it is has one name


@pytest.fixture
def unknown(tmp_path: Path) -> Bundle:
    """A bundle whose first artifact is for a runtime of a version to come."""
    folder = make_bundle(tmp_path / "bundle", "rgb")
    manifest = read_bundle(folder).manifest
    future = Artifact(runtime="hal", precision="fp32", path="model.onnx")
    write_manifest(folder, manifest.model_copy(update={"artifacts": (future, *manifest.artifacts)}))
    return read_bundle(folder)


def test_a_runtime_that_is_not_known_is_refused_and_the_others_serve(unknown: Bundle) -> None:
    assert load_runtime(unknown).info.name == "onnxruntime"
    with pytest.raises(UserError, match="hal-fp32 cannot run here: this version of rgbd-motion knows no runtime 'hal'"):
        load_runtime(unknown, name="hal-fp32")
    with pytest.raises(UserError, match="knows no runtime 'hal', only onnxruntime, openvino, tensorrt; update it"):
        load_artifact(unknown, unknown.artifact("hal-fp32"), "cpu")
    words = ("--artifact", "hal-fp32", "--out", unknown.folder.parent / "triton")
    assert_refused(run_module("export", "triton", unknown.folder, *words), "knows no runtime 'hal'")
    inspected = run_module("export", "inspect", unknown.folder)
    assert inspected.returncode == 0 and "hal-fp32" in inspected.stdout
    only = unknown.manifest.model_copy(update={"artifacts": unknown.manifest.artifacts[:1]})
    with pytest.raises(UserError, match=r"nothing in it runs on 'cpu' here .*knows no runtime 'hal'"):
        load_runtime(Bundle(unknown.folder, only))


def test_a_precision_that_is_not_known_is_refused_and_the_others_serve(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "bundle", "rgb")
    manifest = read_bundle(folder).manifest
    strange = [Artifact(runtime=name, precision="fp99", path="model.onnx") for name in RUNTIMES]
    write_manifest(folder, manifest.model_copy(update={"artifacts": (*strange, *manifest.artifacts)}))
    bundle = read_bundle(folder)
    assert load_runtime(bundle).info.precision == "fp32"
    for artifact in strange:
        known = ", ".join(RUNTIMES[artifact.runtime].files)
        reason = f"{artifact.runtime} in 'fp99', only in {known}; update it"
        for device in (None, "cpu", "cuda", "tensorrt"):
            assert reason in str(unavailable_reason(artifact, device))
        with pytest.raises(UserError, match=reason):
            load_artifact(bundle, artifact, "cpu")
    with pytest.raises(UserError, match="onnxruntime-fp99 cannot run here: this version of rgbd-motion knows no"):
        load_runtime(bundle, name="onnxruntime-fp99")
    assert main(["inspect", str(folder)]) == 0
    assert [bool(artifact.parity) for artifact in compare_known_answer(bundle).manifest.artifacts] == [False] * 3 + [
        True
    ]
    words = ("--artifact", "onnxruntime-fp99", "--out", str(tmp_path / "triton"))
    with pytest.raises(UserError, match="in 'fp99', only in"):
        main(["triton", str(folder), *words])


@pytest.mark.slow
def test_a_third_runtime_is_made_verified_timed_and_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ExportOptions("tiny", ("3rd",), ("fp32",))
    with pytest.raises(KeyError):
        wanted(options)
    monkeypatch.setitem(RUNTIMES, "third", SPEC)
    checkpoint = untrained("rgb", tmp_path / "best.pt", **TOY)
    create_bundle(checkpoint, tmp_path / "bundle", options)
    bundle = read_bundle(tmp_path / "bundle")
    (artifact,) = bundle.manifest.artifacts
    assert (artifact.name, artifact.path) == ("third-fp32", "model.third")
    assert artifact.parity is not None and set(artifact.speeds) == {"cpu"}
    assert sorted(path.name for path in bundle.folder.iterdir()) == ["bundle.json", "model.third"]
    assert load_runtime(bundle).info.name == "third"
    assert main(["verify", str(bundle.folder)]) == 0
    assert "third-fp32" in capsys.readouterr().out
    words = ("--runtimes", "third-fp32", "--rounds", "1", "--layers", "--json", str(tmp_path / "bench.json"))
    assert main(["bench", str(bundle.folder), *words]) == 0
    report = json.loads((tmp_path / "bench.json").read_text())
    assert [row["artifact"] for row in report["rows"]] == ["third-fp32"]
    assert "network, third-fp32" in report["stages_ms"] and report["layers_ms"]["third-fp32"]
    assert main(["triton", str(bundle.folder), "--artifact", "third-fp32", "--out", str(tmp_path / "triton")]) == 0
    assert 'backend: "third_backend"' in (tmp_path / "triton" / "tiny" / "config.pbtxt").read_text()
