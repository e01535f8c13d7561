"""Which bundles are read: those of the schema before, those of a newer minor, and none that may mean something else."""

import json
import logging
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.support.tiny_bundle import make_bundle
from export.bundle.folder import read_bundle, read_manifest
from export.bundle.manifest import SCHEMA_MINOR, BundleError
from export.bundle.seeded_clips import seeded_inputs
from export.commands.sign import make_keys, sign_bundle
from export.runtimes.loading import load_runtime
from rgbd.types import Modality

OF_SCHEMA_2 = Path(__file__).with_name("schema-2.json")


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Change what the bundle.json in a folder says."""
    path = folder / "bundle.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return folder


def with_one_speed(content: dict[str, Any]) -> None:
    """Say the speed of one device, as up to schema 3.0."""
    for artifact in content["artifacts"]:
        speeds = artifact.pop("speeds")
        artifact["speed"] = {**speeds["cpu"], "device": "cpu"} if speeds else None


def as_schema_3_0(content: dict[str, Any]) -> None:
    content["schema_minor"] = 0
    with_one_speed(content)


def as_schema_2(content: dict[str, Any]) -> None:
    content["schema_version"] = 2
    with_one_speed(content)
    del content["schema_minor"]
    for tensor in (*content["inputs"], *content["outputs"]):
        del tensor["stream"]


def test_what_an_earlier_version_wrote_is_read_as_this_one_would_write_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(OF_SCHEMA_2, tmp_path / "bundle.json")
    manifest = read_manifest(tmp_path)
    assert (manifest.schema_version, manifest.schema_minor) == (3, SCHEMA_MINOR)
    assert manifest.preparation is None and "takes clips that were prepared like them" in caplog.text
    assert manifest.answer == "logits"
    assert manifest.stream_heads == {"rgb": "logits_rgb", "depth": "logits_depth"}
    before, after = json.loads(OF_SCHEMA_2.read_text()), json.loads(manifest.model_dump_json())
    same = ("name", "created", "modality", "labels", "check", "trained_on", "max_batch", "files", "source")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    for old, new in zip(before["artifacts"], after["artifacts"], strict=True):
        speed = old.pop("speed")
        assert new.pop("speeds") == {speed.pop("device"): speed}
        assert new == old


def test_the_speed_of_one_device_is_read_as_that_devices(tmp_path: Path) -> None:
    make_bundle(tmp_path)
    speeds = {"cpu": {"latency_ms": 2.5, "machine": "here"}}
    rewrite(tmp_path, lambda content: content["artifacts"][0].update(speeds=speeds))
    before = read_manifest(tmp_path)
    after = read_manifest(rewrite(tmp_path, as_schema_3_0))
    assert after == before and after.artifacts[0].speeds["cpu"].latency_ms == 2.5
    rewrite(tmp_path, lambda content: content["artifacts"][0]["speed"].pop("device"))
    assert read_manifest(tmp_path) == before
    rewrite(tmp_path, lambda content: content["artifacts"][0].update(speed=7))
    with pytest.raises(BundleError, match=r"artifacts\.0\.speeds: "):
        read_manifest(tmp_path)


@pytest.mark.parametrize("modality", ["rgb", "depth", "rgbd"])
def test_a_bundle_of_schema_2_computes_what_it_did(tmp_path: Path, modality: Any) -> None:
    new = read_bundle(make_bundle(tmp_path / "new", modality))
    old = read_bundle(rewrite(make_bundle(tmp_path / "old", modality), as_schema_2))
    assert old.manifest.model_copy(update={"created": new.manifest.created}) == new.manifest
    clips = seeded_inputs(new.manifest.streams, new.manifest.clip_spec, batch=2, seed=1)
    outputs = load_runtime(old).infer(clips)
    for name, values in load_runtime(new).infer(clips).items():
        np.testing.assert_array_equal(outputs[name], values)


def test_a_signature_is_of_the_file_as_it_was_written(tmp_path: Path) -> None:
    folder = rewrite(make_bundle(tmp_path / "bundle"), as_schema_2)
    public = make_keys(tmp_path / "key.pem")
    sign_bundle(folder, tmp_path / "key.pem")
    assert read_bundle(folder, public).manifest.schema_version == 3
    rewrite(folder, lambda content: content.update(name="another"))
    with pytest.raises(BundleError, match="was changed since"):
        read_bundle(folder, public)


def add_unknown_fields(content: dict[str, Any]) -> None:
    content["licence"] = "MIT"
    content["artifacts"][0]["threads"] = 4
    content["clip_spec"]["depth"]["noise"] = {"mm": 1}


def test_of_a_newer_minor_what_is_not_known_is_passed_over_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain = read_bundle(make_bundle(tmp_path))
    rewrite(tmp_path, add_unknown_fields)
    rewrite(tmp_path, lambda content: content.update(schema_minor=7))
    with caplog.at_level(logging.WARNING):
        assert read_bundle(tmp_path) == plain
        read_bundle(tmp_path)
    (message,) = caplog.messages  # once
    assert message.startswith(f"bundle tiny: is of schema 3.7, newer than 3.{SCHEMA_MINOR}; ignored: ")
    assert set(message.split(": ")[-1].split(", ")) == {"licence", "artifacts.0.threads", "clip_spec.depth.noise"}
    rewrite(tmp_path, lambda content: content.pop("labels"))
    with pytest.raises(BundleError, match="labels: Field required"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("is_of_schema_2", [False, True])
def test_of_this_minor_and_of_schema_2_a_field_that_is_not_known_is_a_mistake(
    tmp_path: Path, is_of_schema_2: bool
) -> None:
    make_bundle(tmp_path)
    if is_of_schema_2:
        rewrite(tmp_path, as_schema_2)
    rewrite(tmp_path, lambda content: content.update(labelz=["red"]))
    with pytest.raises(BundleError, match="labelz: Extra inputs are not permitted; export"):
        read_bundle(tmp_path)


SCORES = [0.0, 1.0, 2.0]
KNOWN = list(range(101))
HEAD = {"name": "late", "dtype": "float32", "shape": ["batch", 3], "meaning": "", "stream": None}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema_version": 1}, "is of the older schema 1; export the checkpoint again"),
        ({"schema_version": 4}, "is of schema 4, and this version of rgbd-motion reads 2 to 3; update it"),
        ({"schema_version": 2, "outputs": 5}, "outputs: Input should be"),
        ({"schema_version": 2, "outputs": [5]}, r"outputs\.0: Input should be"),
        ({"schema_version": "3"}, "schema_version: Input should be 3"),
        ({"schema_minor": "new"}, "schema_minor: Input should be"),
        (
            {"alone": {"rgb": 0.5}, "outputs": [HEAD], "check": {"late": SCORES}},
            "rgb may come alone, but no output is the head of that stream",
        ),
        ({"outputs": []}, "outputs: Tuple should have at least 1 item"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_remedy(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    rewrite(make_bundle(tmp_path), lambda content: content.update(change))
    with pytest.raises(BundleError, match=reason):
        read_bundle(tmp_path)
    (tmp_path / "bundle.json").write_text("[]")
    with pytest.raises(BundleError, match="the file: Input should be an object"):
        read_bundle(tmp_path)


@pytest.mark.parametrize(
    ("modality", "change", "reason"),
    [
        ("rgbd", lambda c: c.update(labels=[]), "labels: "),
        (
            "rgbd",
            lambda c: c.update(labels=["a", "b"]),
            r"outputs: logits has the shape \['batch', 3\], and the labels ask for \['batch', 2\]",
        ),
        (
            "rgbd",
            lambda c: c["outputs"][1].update(shape=["batch", 9]),
            r"outputs: logits_rgb has the shape \['batch', 9\]",
        ),
        ("rgbd", lambda c: c["outputs"][1].update(shape=[]), r"outputs: logits_rgb has the shape \[\]"),
        ("rgbd", lambda c: c["outputs"].append(c["outputs"][0]), "outputs: logits is there twice"),
        ("rgbd", lambda c: c["outputs"].append(HEAD | {"stream": "rgb"}), "outputs: rgb has two heads"),
        ("rgbd", lambda c: c["outputs"].reverse(), "outputs: logits_depth, the first, is of depth alone"),
        (
            "rgb",
            lambda c: c["outputs"].append(HEAD | {"stream": "depth"}),
            "outputs: late is the head of depth, and this",
        ),
        ("rgbd", lambda c: c.update(check={}), "check: has no scores of logits"),
        ("rgbd", lambda c: c["check"].pop("logits_rgb"), "check: has no scores of logits_rgb"),
        ("rgbd", lambda c: c["check"].update(zzz=SCORES), "check: has scores of zzz, which is no output"),
        ("rgbd", lambda c: c["check"].update(logits=[1.0]), "check: logits has 1 scores for 3 labels"),
        (
            "rgbd",
            lambda c: c["check"].update(logits=[1, 2, math.nan]),
            r"check\.logits\.2: Input should be a finite number",
        ),
        ("rgbd", lambda c: c.update(alone={"rgb": 1.5}), r"alone\.rgb: "),
        ("rgbd", lambda c: c.update(alone={"rgb": -0.1}), r"alone\.rgb: "),
        ("rgbd", lambda c: c.update(alone={"rgb": math.nan}), r"alone\.rgb: "),
        ("rgbd", lambda c: c.update(temperature=math.inf), "temperature: "),
        (
            "rgbd",
            lambda c: c.update(temperature=1e-308),
            r"temperature: Input should be greater than or equal to 0\.001",
        ),
        ("rgbd", lambda c: c.update(temperature=1e308), "temperature: Input should be less than or equal to 1000"),
        ("rgbd", lambda c: c.update(rejection={"known": {"logits": KNOWN}}), "rejection: says nothing of logits_depth"),
        ("rgb", lambda c: c.update(rejection={"known": {"logits": KNOWN, "x": KNOWN}}), "rejection: is of x, which do"),
        (
            "rgb",
            lambda c: c.update(rejection={"known": {"logits": KNOWN[::-1]}}),
            "rejection: the familiarities of logits do not ascend",
        ),
        ("rgbd", lambda c: c["source"].update(metrics={"top1": math.nan}), r"source\.metrics\.top1: "),
        (
            "rgbd",
            lambda c: c["artifacts"][0].update(speeds={"cpu": {"latency_ms": math.inf, "machine": ""}}),
            r"artifacts\.0\.speeds\.cpu\.latency_ms: ",
        ),
        (
            "rgbd",
            lambda c: c.update(trained_on={"rgb": {"aspect_ratio": [1, math.nan], "height_px": [1, 1]}}),
            r"trained_on\.rgb\.aspect_ratio\.1: ",
        ),
        ("rgbd", lambda c: c["source"].update(config={"lr": math.nan}), r"source\.config: holds nan"),
    ],
)
def test_a_manifest_is_checked_as_a_whole_when_it_is_read(
    tmp_path: Path, modality: Modality, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    rewrite(make_bundle(tmp_path, modality), change)
    with pytest.raises(BundleError, match=rf"bundle\.json: {reason}.*; export the checkpoint again"):
        read_manifest(tmp_path)


NESTED = '{"a": ' * 900 + "1" + "}" * 900


def test_json_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    make_bundle(tmp_path)
    (tmp_path / "bundle.json").write_text("[" * 100_000)
    with pytest.raises(BundleError, match=r"is not JSON .*copy the bundle or export the checkpoint again"):
        read_manifest(tmp_path)
    text = (make_bundle(tmp_path) / "bundle.json").read_text()
    (tmp_path / "bundle.json").write_text(text.replace('"config": {}', f'"config": {NESTED}'))
    with pytest.raises(BundleError, match="recursion limit exceeded"):
        read_manifest(tmp_path)
