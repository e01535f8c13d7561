"""Whatever a bundle.json says, it is read, or refused in a sentence: each field is replaced by what it is not."""

import copy
import io
import json
import math
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from benchmarks.support.tiny_bundle import make_bundle
from export.bundle.archive import open_bundle
from export.bundle.folder import MAX_MANIFEST_BYTES, read_bundle, sha256
from export.bundle.manifest import BundleError
from export.commands.tables import artifacts_table
from export.commands.triton import write_model
from export.runtimes.loading import load_runtime
from rgbd.clip.appearance import Appearance
from rgbd.clip.preparation import Preparation
from rgbd.errors import UserError
from tests.support.commands import assert_refused, run_module
from tests.support.requests import post
from tests.support.server import running_server
from tests.support.uploads import npz, rgb_frames

Place = tuple[str | int, ...]
_GONE = object()


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


WRONG = (
    *(None, True, 0, -1, 10**30, 2**31, 1e308, 1e-320, math.nan, math.inf, -math.inf),
    *("", "x", "\0", "\x1b[2J", "a\nb", "../x", "/etc/passwd", "rgb", "depth", "é", "x" * 5000),
    *([], [1], ["x"], ["rgb", "rgb"], {}, {"a": 1}, nested(150), nested(900), _GONE),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A bundle in which every field is filled, and what its bundle.json says."""
    folder = tmp_path_factory.mktemp("whole") / "bundle"
    seen = Appearance(aspect_ratio=(1, 1.5), height_px=(40, 50), empty_share=(0.1, 0.5))
    make_bundle(folder, "rgbd", alone={"rgb": 0.5}, trained_on={"rgb": seen})
    (folder / "notes.txt").write_text("a file that no artifact loads")
    content = json.loads((folder / "bundle.json").read_text())
    content["files"].append({"path": "notes.txt", "size_bytes": 29, "sha256": sha256(folder / "notes.txt")})
    content["clip_spec"]["crop_xy"] = [0, 0]
    content["preparation"] = Preparation(streams=("rgb", "depth"), masks="official", roi="clip").model_dump(mode="json")
    differences = ("max", "mean", "relative", "probability")
    content["artifacts"][0]["parity"] = {
        **{f"{name}_difference": 0.1 for name in differences},
        **{"top1_agreement": 1.0, "num_clips": 3, "clips": "made from a seed"},
    }
    content["artifacts"][0]["speeds"] = {"cpu": {"latency_ms": 2.0, "machine": "here"}}
    content["source"] |= {"metrics": {"top1": 0.5}, "config": {"a": [1, {"b": 2}]}, "git_commit": "0" * 40}
    (folder / "bundle.json").write_text(json.dumps(content))
    read_bundle(folder)
    return folder, content


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    yield place
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*place, key))


def replaced(content: Any, place: Place, value: Any) -> Any:
    """Return the content with another value at a place; what does not lead there is shared with the original."""
    if not place:
        return value
    key, *rest = place
    content = copy.copy(content)
    if value is _GONE and not rest:
        del content[key]
    else:
        content[key] = replaced(content[key], tuple(rest), value)
    return content


def use(folder: Path, scratch: Path) -> None:
    """Do with a bundle what commands and the service do with it."""
    with open_bundle(folder) as bundle:
        console = Console(file=io.StringIO())
        console.print(artifacts_table(bundle))
        json.loads(bundle.manifest.model_dump_json())
        with suppress(UserError):  # such as for a runtime of a version to come
            runtime = load_runtime(bundle, max_batch=2)
            assert runtime.info.name == "onnxruntime"
            write_model(bundle, bundle.manifest.artifacts[0], scratch, 1)


def test_any_field_may_be_anything(whole: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, content = whole
    shutil.copytree(folder, tmp_path / "bundle")
    num_refused = num_used = 0
    for place in places(content):
        for value in WRONG[: None if place else -1]:
            (tmp_path / "bundle" / "bundle.json").write_text(json.dumps(replaced(content, place, value)))
            try:
                use(tmp_path / "bundle", tmp_path / "triton")
                num_used += 1
            except BundleError as error:
                num_refused += 1
                assert "bundle" in str(error) and len(str(error)) < 1000, error
            except Exception as error:
                raise AssertionError(f"{place} = {value!r:.60}") from error
    assert num_refused > 4 * num_used > 400  # many a text may be any other


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (("name",), "../evil", r"name: expected up to 100 letters, digits, '\.', '_' and '-', got '\.\./evil'"),
        (("name",), "x" * 101, "name: expected up to 100"),
        (("version",), "1/2", "version: expected up to 100"),
        (("version",), "", "version: expected up to 100"),
        (("labels", 1), "red", "labels: 'red' is there twice"),
        (("labels", 1), "gre\nen", r"labels\.1: expected one line of text, got 'gre\\nen'"),
        (("labels", 1), "\x1b[2J", r"labels\.1: expected one line of text"),
        (("labels", 1), " ", r"labels\.1: expected one line of text"),
        (("inputs",), [], "inputs: are none, and a model of rgbd takes rgb, depth"),
        (("inputs", 0, "name"), "colour", "inputs: are colour, depth, and a model of rgbd takes rgb, depth"),
        (("inputs", 0), _GONE, "inputs: are depth, and a model of rgbd takes rgb, depth"),
        (("inputs", 0, "stream"), "depth", "inputs: rgb is of the stream depth"),
        (("inputs", 0, "dtype"), "float32", "inputs: rgb is 'float32', and graphs have uint8"),
        (("inputs", 1, "shape"), ["batch", 4, 32, 64, 3], r"inputs: depth has the shape .*and clip_spec says .*32, 32"),
        (("inputs", 1, "shape", 0), 1, "inputs: depth has the shape .*and clip_spec says .'batch', 4, 32"),
        (("modality",), "rgb", "inputs: are rgb, depth, and a model of rgb takes rgb"),
        (("outputs", 0, "dtype"), "int8", "outputs: logits is 'int8', and graphs have float32"),
        (("outputs", 0, "shape", 0), 1, "outputs: logits has the shape"),
        (("trained_on", "rgb", "height_px"), [50, 40], "trained_on.rgb: the lowest value, 50, is above the highest"),
        (("trained_on", "rgb", "aspect_ratio", 0), 0, r"trained_on\.rgb\.aspect_ratio\.0: "),
        (("clip_spec", "num_frames"), 10**6, "clip_spec: a clip of 1000000 frames of .* takes more than 256 MiB"),
        (("clip_spec", "size"), [2**31, 32], r"clip_spec\.size\.0: "),
        (("clip_spec", "resize", 0), 2**31, r"clip_spec\.resize\.0: "),
        (("clip_spec", "crop_xy"), [-1, 0], r"clip_spec\.crop_xy\.0: "),
        (("clip_spec", "depth", "far_mm"), 70_000, r"clip_spec\.depth\.far_mm: "),
        (("max_batch",), 1025, "max_batch: "),
        (("check", "logits", 0), 1e39, r"check\.logits\.0: "),
        (("preparation", "size", 0), 0, r"preparation\.size\.0: "),
        (("files", 0, "path"), "/etc/passwd", r"files\.0\.path: '/etc/passwd' lies outside the bundle"),
        (("files", 1, "path"), "model.onnx", "files: model.onnx is there twice"),
        (("files", 1, "path"), "bundle.json", "files: bundle.json is no file of a graph"),
        (("files", 0, "sha256"), "0", r"files\.0\.sha256: "),
        (("artifacts",), [], "artifacts: "),
        (("artifacts", 0, "path"), "other.onnx", "artifacts: onnxruntime-fp32 is in no listed file"),
        (("artifacts", 0, "runtime"), "[/b]", r"artifacts\.0\.runtime: expected up to 100"),
        (("artifacts", 0, "speeds", "cpu", "latency_ms"), -1, r"artifacts\.0\.speeds\.cpu\.latency_ms: "),
        (("artifacts", 0, "parity", "top1_agreement"), 1.5, r"artifacts\.0\.parity\.top1_agreement: "),
        (("source", "checkpoint"), "a\0b", r"source\.checkpoint: 'a\\x00b' is no path"),
    ],
)
def test_the_reason_is_named(
    whole: tuple[Path, dict[str, Any]], tmp_path: Path, place: Place, value: Any, reason: str
) -> None:
    folder, content = whole
    shutil.copytree(folder, tmp_path / "bundle")
    (tmp_path / "bundle" / "bundle.json").write_text(json.dumps(replaced(content, place, value)))
    with pytest.raises(BundleError, match=rf"bundle\.json: {reason}.*; export the checkpoint again"):
        read_bundle(tmp_path / "bundle")


def test_an_artifact_is_there_once(whole: tuple[Path, dict[str, Any]]) -> None:
    _, content = whole
    twice = replaced(content, ("artifacts",), content["artifacts"] * 2)
    folder, _ = whole
    path = folder.with_name("twice")
    shutil.copytree(folder, path)
    (path / "bundle.json").write_text(json.dumps(twice))
    with pytest.raises(BundleError, match="artifacts: onnxruntime-fp32 is there twice"):
        read_bundle(path)


def test_files_that_cannot_be_read_are_refused(whole: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, content = whole
    shutil.copytree(folder, tmp_path / "bundle")
    manifest = tmp_path / "bundle" / "bundle.json"

    def refuse(reason: str) -> None:
        with pytest.raises(BundleError, match=reason):
            read_bundle(tmp_path / "bundle")

    manifest.write_text(json.dumps(replaced(content, ("files", 1, "path"), "x" * 5000)))
    refuse("its file 'xxx.*cannot be read .File name too long.")
    (tmp_path / "bundle" / "loop.txt").symlink_to("loop.txt")
    manifest.write_text(json.dumps(replaced(content, ("files", 1, "path"), "loop.txt")))
    refuse("loop.txt")
    manifest.write_text(json.dumps(replaced(content, ("files", 1, "size_bytes"), 30)))
    refuse(r"notes\.txt: does not match the hash")
    manifest.write_text(" " * (MAX_MANIFEST_BYTES + 1))
    refuse("is larger than 10 MB")


_DAMAGE: dict[str, tuple[Place, Any]] = {
    "deep": (("source", "config"), nested(900)),
    "huge": (("clip_spec", "num_frames"), 2**31),
    "nan": (("check", "logits", 0), math.nan),
    "nameless": (("version",), "a/b"),
    "nowhere": (("source", "checkpoint"), "\0"),
    "inputs": (("inputs", 0, "shape", 1), 64),
}


@pytest.fixture
def damaged(whole: tuple[Path, dict[str, Any]], tmp_path: Path) -> list[Path]:
    folder, content = whole
    for name, (place, value) in _DAMAGE.items():
        shutil.copytree(folder, tmp_path / "models" / "tiny" / name)
        text = json.dumps(replaced(content, place, value))
        (tmp_path / "models" / "tiny" / name / "bundle.json").write_text(text)
    return sorted((tmp_path / "models" / "tiny").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("command", ["inspect", "verify", "pack", "bench", "triton"])
def test_commands_refuse_what_is_damaged(damaged: list[Path], tmp_path: Path, command: str) -> None:
    out = ("--out", tmp_path / "out.zip") if command in ("pack", "triton") else ()
    for path in damaged[:2]:
        assert_refused(run_module("export", command, path, *out), "bundle.json: ")


def test_a_service_refuses_what_is_damaged_and_goes_on(
    whole: tuple[Path, dict[str, Any]], damaged: list[Path], tmp_path: Path
) -> None:
    models = tmp_path / "models"
    shutil.move(models / "tiny", tmp_path / "waiting")
    shutil.copytree(whole[0], models / "sound" / "1")
    assert_refused(run_module("serve", "check", "--bundle", tmp_path / "waiting" / "deep"), "recursion limit exceeded")
    with running_server(models=models) as server:
        for path in damaged:
            shutil.copytree(tmp_path / "waiting" / path.name, models / path.name / "1")
            answer = httpx.post(f"{server.url}/v2/repository/models/{path.name}/load", timeout=60)
            assert answer.status_code == 400, answer.text
            assert answer.json()["error"].startswith("unusable_bundle: "), answer.text
        assert post(server, rgb=npz(rgb_frames()), path="/predict?model=sound").status_code == 200
