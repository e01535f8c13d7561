"""TensorRT without a GPU: NVIDIA's parser and builder accept the graphs, and our stubs tell the truth.

TensorRT itself cannot be installed from the package index. TensorRT-RTX, which can, has the same Python API and builds
engines without a GPU; it stands in for `tensorrt` here. What needs a GPU says so and is skipped.
"""

import ast
import importlib
import re
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from benchmarks.support.tiny_bundle import make_bundle
from export.bundle.folder import Bundle, read_bundle
from export.bundle.seeded_clips import seeded_inputs
from export.runtimes.loading import load_runtime, unavailable_reason
from export.runtimes.openvino import OpenVinoRuntime
from export.verification.first_difference import first_difference
from export.verification.parity import LIMITS, measure_parity
from export.verification.source import source_of
from rgbd.errors import UserError
from rgbd.locks import sole_writer
from tests.support.commands import assert_refused, run_module

STUBS = Path(__file__).parents[3] / "stubs"
FILES = {"fp32": "model.onnx", "fp16": "model-fp16.onnx", "bf16": "model-bf16.onnx", "int8": "model-int8.onnx"}


@pytest.fixture(scope="module")
def engines() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "tensorrt", importlib.import_module("tensorrt_rtx"))
        yield importlib.import_module("export.runtimes.tensorrt_engines")
        del sys.modules["export.runtimes.tensorrt_engines"]


@pytest.fixture(scope="module", params=["in_low_precision", "second_in_low_precision"], ids=["dsn", "umdr"])
def small_bundle(request: pytest.FixtureRequest) -> Bundle:
    """A bundle of each family."""
    bundle: Bundle = request.getfixturevalue(request.param)
    return bundle


@pytest.mark.slow
@pytest.mark.parametrize("precision", FILES)
def test_nvidias_parser_and_builder_accept_the_graph(
    precision: str, small_bundle: Bundle, engines: ModuleType, tmp_path: Path
) -> None:
    path = small_bundle.folder / FILES[precision]
    if not path.exists():
        pytest.skip("this processor has no int8 instructions, so that nothing was quantized")
    engines.build_engine(path, tmp_path / "engine.plan", max_batch=3)
    assert (tmp_path / "engine.plan").stat().st_size > 100_000
    assert [file.name for file in tmp_path.iterdir()] == ["engine.plan"]


def test_what_tensorrt_cannot_read_is_named(engines: ModuleType, tmp_path: Path) -> None:
    nodes = [helper.make_node("Unique", ["x"], ["y"], name="heads.large/Unique_7")]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None]) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), tmp_path / "x.onnx")
    with pytest.raises(UserError, match=r"cannot read it: heads\.large/Unique_7 \(Unique\)"):
        engines.build_engine(tmp_path / "x.onnx", tmp_path / "engine.plan", max_batch=3)
    assert [file.name for file in tmp_path.iterdir()] == ["x.onnx"]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_the_graphs_for_tensorrt_answer_as_pytorch_does(precision: str, small_bundle: Bundle) -> None:
    path = small_bundle.folder / FILES[precision]
    if not path.exists():
        pytest.skip("this processor has no int8 instructions, so that nothing was quantized")
    session = onnxruntime.InferenceSession(str(path))
    clips = seeded_inputs(("rgb",), small_bundle.manifest.clip_spec, batch=4)
    names = [output.name for output in session.get_outputs()]
    answers = dict(zip(names, session.run(names, clips), strict=True))
    parity = measure_parity([source_of(small_bundle).pytorch.infer(clips)], [answers], 1.0, "")
    relative, probability = LIMITS[precision]  # type: ignore[index]
    assert parity.relative_difference < relative and parity.probability_difference < probability
    weights = {constant.data_type for constant in onnx.load(path).graph.initializer}
    stored = {"fp32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16, "int8": TensorProto.INT8}
    assert stored[precision] in weights
    assert TensorProto.UINT8 not in weights  # TensorRT takes signed quantizers only


@pytest.mark.slow
def test_where_onnx_runtime_has_no_bfloat16_the_comparison_says_so(in_low_precision: Bundle) -> None:
    clip = seeded_inputs(("rgb",), in_low_precision.manifest.clip_spec, batch=1)
    with pytest.raises(UserError, match=r"model-bf16\.onnx: ONNX Runtime [\d.]+ cannot load it"):
        first_difference(
            in_low_precision.folder / "model-bf16.onnx", lambda exposed: OpenVinoRuntime(exposed, "fp32"), clip
        )


@pytest.mark.slow
def test_without_a_gpu_a_bundle_for_one_says_what_was_not_seen(in_low_precision: Bundle, tmp_path: Path) -> None:
    artifact = in_low_precision.artifact("tensorrt-fp16")
    if unavailable_reason(artifact, "cuda") is None:
        pytest.skip("there is a GPU")
    assert artifact.parity is None and not artifact.speeds
    assert "was not compared yet" in run_module("export", "inspect", in_low_precision.folder).stdout
    assert_refused(run_module("export", "build-engine", in_low_precision.folder), "no engine can be built here")
    with pytest.raises(UserError, match="nothing in it runs on 'cuda' here"):
        load_runtime(in_low_precision, "cuda")
    assert_refused(run_module("export", "build-engine", make_bundle(tmp_path)), "holds nothing for TensorRT")


@pytest.mark.slow
def test_on_a_gpu_engines_are_proved(in_low_precision: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := unavailable_reason(in_low_precision.artifact("tensorrt-fp16"), "cuda"):
        pytest.skip(f"TensorRT cannot run here: {reason}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = shutil.copytree(in_low_precision.folder, tmp_path / "bundle")
    result = run_module("export", "verify", folder)
    assert result.returncode == 0, result.stderr
    proved = [artifact for artifact in read_bundle(folder).manifest.artifacts if artifact.runtime == "tensorrt"]
    for artifact in proved:
        assert artifact.parity is not None and artifact.parity.top1_agreement == 1
        assert set(artifact.speeds) == {"cuda"}
    assert len(list(tmp_path.rglob("*.plan"))) == len(proved)
    runtime = load_runtime(read_bundle(folder), "cuda")
    assert runtime.info.name == "tensorrt"
    with pytest.raises(UserError, match="the engine was built for 3"):
        runtime.infer(seeded_inputs(("rgb",), in_low_precision.manifest.clip_spec, batch=4))


@pytest.mark.parametrize(
    ("stub", "library"),
    [("tensorrt/__init__.pyi", "tensorrt_rtx"), ("cuda/bindings/runtime.pyi", "cuda.bindings.runtime")],
)
def test_the_stubs_say_what_the_libraries_have(stub: str, library: str) -> None:
    real = importlib.import_module(library)
    tree = ast.parse((STUBS / stub).read_text())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            check_signature(node, real)
        elif isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.FunctionDef):
                    check_signature(member, getattr(real, node.name))
                elif isinstance(member, ast.AnnAssign | ast.Assign):
                    target = member.target if isinstance(member, ast.AnnAssign) else member.targets[0]
                    assert hasattr(getattr(real, node.name), ast.unparse(target)), f"{node.name}.{ast.unparse(target)}"


def check_signature(function: ast.FunctionDef, owner: Any) -> None:
    """Compare the names of a function's parameters with the library's docstring."""
    if function.name == "__buffer__":
        return  # the protocol's own
    documented = getattr(owner, function.name).__doc__ or ""
    for argument in function.args.args:
        if argument.arg != "self":
            assert re.search(rf"\b{argument.arg}\b", documented), (function.name, argument.arg, documented)


@pytest.mark.filterwarnings("ignore:.*Timing cache operations are no-ops in TensorRT-RTX:DeprecationWarning")
def test_engines_are_named_after_all_that_they_depend_on(
    engines: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path, other = (make_bundle(tmp_path / modality, modality) / "model.onnx" for modality in ("rgb", "depth"))
    first = engines.engine_file(path, "fp16", 8, "NVIDIA L4")
    written = first.stat().st_mtime_ns
    assert first.is_relative_to(tmp_path / "cache" / "rgbd-motion")
    assert engines.engine_file(path, "fp16", 8, "NVIDIA L4") == first and first.stat().st_mtime_ns == written
    others = [
        engines.engine_file(path, "fp16", 8, "NVIDIA H200"),
        engines.engine_file(path, "fp16", 4, "NVIDIA L4"),
        engines.engine_file(other, "fp16", 8, "NVIDIA L4"),
    ]
    assert len({first, *others}) == 4 and all("nvidia-" in plan.name and "-fp16-" in plan.name for plan in others)


@pytest.mark.filterwarnings("ignore:.*Timing cache operations are no-ops in TensorRT-RTX:DeprecationWarning")
def test_an_engine_is_built_by_one_process_at_a_time(
    engines: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = make_bundle(tmp_path / "rgb", "rgb") / "model.onnx"
    plan = engines.engine_file(path, "fp16", 8, "NVIDIA L4")
    engine, size = plan.read_bytes(), plan.stat().st_size
    plan.unlink()
    left = plan.with_name(f".{plan.stem}.7.tmp.plan")  # by one that was killed
    left.write_bytes(engine[:100])
    assert engines.engine_file(path, "fp16", 8, "NVIDIA L4").stat().st_size == size and not left.exists()
    plan.unlink()
    with ThreadPoolExecutor() as threads:
        with sole_writer(plan):
            waiting = threads.submit(engines.engine_file, path, "fp16", 8, "NVIDIA L4")
            time.sleep(1)  # longer than a try takes
            assert not waiting.done() and not plan.exists()
            plan.write_bytes(engine[:100])
        assert waiting.result() == plan and plan.read_bytes() == engine[:100]
    assert not [file for file in plan.parent.iterdir() if file.name.startswith(".")]
