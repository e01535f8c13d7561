"""Which bundles are read: those of the schema before, those of a newer minor, and none that may mean something else."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.support.tiny_bundle import make_bundle
from export.bundle.folder import read_bundle, read_manifest
from export.bundle.manifest import BundleError
from export.bundle.seeded_clips import seeded_inputs
from export.commands.sign import make_keys, sign_bundle
from export.runtimes.loading import load_runtime

OF_SCHEMA_2 = Path(__file__).with_name("schema-2.json")


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Change what the bundle.json in a folder says."""
    path = folder / "bundle.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return folder


def as_schema_2(content: dict[str, Any]) -> None:
    content["schema_version"] = 2
    del content["schema_minor"]
    for tensor in (*content["inputs"], *content["outputs"]):
        del tensor["stream"]


def test_what_an_earlier_version_wrote_is_read_as_this_one_would_write_it(tmp_path: Path) -> None:
    shutil.copy(OF_SCHEMA_2, tmp_path / "bundle.json")
    manifest = read_manifest(tmp_path)
    assert (manifest.schema_version, manifest.schema_minor) == (3, 0)
    assert manifest.answer == "logits"
    assert manifest.stream_heads == {"rgb": "logits_rgb", "depth": "logits_depth"}
    before, after = json.loads(OF_SCHEMA_2.read_text()), json.loads(manifest.model_dump_json())
    same = ("name", "created", "modality", "labels", "check", "trained_on", "max_batch", "files", "artifacts", "source")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}


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
    assert message.startswith("bundle tiny: is of schema 3.7, newer than 3.0; ignored: ")
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


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema_version": 1}, "is of the older schema 1; export the checkpoint again"),
        ({"schema_version": 4}, "is of schema 4, and this version of rgbd-motion reads 2 to 3; update it"),
        ({"schema_version": 2, "outputs": 5}, "outputs: Input should be"),
        ({"schema_version": 2, "outputs": [5]}, r"outputs\.0: Input should be"),
        ({"schema_version": "3"}, "schema_version: Input should be 3"),
        ({"schema_minor": "new"}, "schema_minor: Input should be"),
        ({"alone": {"rgb": 0.5}, "modality": "rgb"}, "rgb may come alone, but no output is the head of that stream"),
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


def test_of_several_heads_of_a_stream_the_first_speaks_for_it(tmp_path: Path) -> None:
    def add_heads(content: dict[str, Any]) -> None:
        heads = content["outputs"]
        content["outputs"] = [heads[0], {**heads[0], "name": "late"}, heads[2], heads[1], {**heads[2], "name": "last"}]

    assert read_manifest(rewrite(make_bundle(tmp_path), add_heads)).stream_heads == {
        "rgb": "logits_rgb",
        "depth": "logits_depth",
    }
