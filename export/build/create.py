"""A checkpoint becomes a bundle, whole and proved, or nothing."""

import json
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from export.build.describe import describe
from export.build.graph import InferenceGraph
from export.build.max_batch import choose_max_batch
from export.build.onnx import export_onnx
from export.build.plan import ExportOptions, int8_rules, wanted
from export.bundle.folder import Bundle, write_manifest
from export.bundle.manifest import Precision
from export.verification.clips import check_classes
from export.verification.single_stream import accuracy_alone
from export.verification.verify import prove_bundle
from rgbd.files import atomic_folder
from rgbd.locks import sole_writer
from rgbd.terminal import say
from training.networks.family import Form, family_of
from training.run.checkpoint import Checkpoint, load_checkpoint, restore_network

# Each file's graph in the form that its runtimes compute fastest; docs/export.md has the figures.
_GRAPHS: dict[str, tuple[Form, Precision]] = {
    "model.onnx": ("frames", "fp32"),
    "model-fp16.onnx": ("frames", "fp16"),
    "model-bf16.onnx": ("frames", "bf16"),
    "volumes.onnx": ("volumes", "fp32"),
}
_OF_VOLUMES = {"model.xml", "model-int8.onnx"}


def create_bundle(source: Path, out: Path, options: ExportOptions) -> Bundle:
    """Write the bundle of the checkpoint in `source` to the folder `out`, atomically.

    Says on standard error how many clips at a time it takes. Raises `UserError` where an artifact cannot be made, or
    answers something else than PyTorch, or where another process writes this bundle; nothing is left then.
    """
    checkpoint = load_checkpoint(source)
    artifacts = wanted(options)
    if any(artifact.precision == "int8" for artifact in artifacts):
        int8_rules(checkpoint)  # before anything is made
    for data in (options.data, options.calibration.data if options.calibration else None):
        if data is not None:
            check_classes(checkpoint, data)
    with sole_writer(out), atomic_folder(out) as folder:
        alone = accuracy_alone(checkpoint, options.data, options.alone) if options.alone and options.data else {}
        _write_files(folder, {artifact.path for artifact in artifacts}, checkpoint, options)
        manifest = describe(folder, artifacts, source, checkpoint, options)
        write_manifest(folder, manifest)  # for the processes that measure
        max_batch, reason = choose_max_batch(Bundle(folder, manifest), options.max_batch)
        say(reason)
        manifest = manifest.model_copy(update={"alone": alone, "max_batch": max_batch})
        bundle = prove_bundle(Bundle(folder, manifest), checkpoint, options.data)
    return Bundle(out, bundle.manifest)


def _write_files(folder: Path, names: Collection[str], checkpoint: Checkpoint, options: ExportOptions) -> None:
    config, network = checkpoint.config, restore_network(checkpoint)
    through_volumes = _OF_VOLUMES & set(names)
    for name, (form, precision) in _GRAPHS.items():
        if name in names or (through_volumes and form == "volumes"):
            graph = InferenceGraph(network, family_of(config), form, precision, answer_only=options.answer_only)
            export_onnx(graph, config.modalities, config.clip, _metadata(checkpoint, options), folder / name)
    if not through_volumes:
        return
    volumes = folder / "volumes.onnx"
    if "model.xml" in names:
        from export.build.openvino import write_ir  # noqa: PLC0415  an optional dependency

        write_ir(volumes, folder / "model.xml")
    if "model-int8.onnx" in names:
        _quantize(volumes, folder / "model-int8.onnx", checkpoint, options)
    for file in folder.glob("volumes.onnx*"):  # weights lie beside a large graph
        file.unlink()


def _quantize(source: Path, target: Path, checkpoint: Checkpoint, options: ExportOptions) -> None:
    """Write the graph in int8, and beside it what became of each layer."""
    from export.build.quantize import quantize_onnx  # noqa: PLC0415  an optional dependency

    assert options.calibration is not None  # checked before anything was written
    report = quantize_onnx(source, target, checkpoint, options.calibration)
    path = target.with_name("quantization.json")
    path.write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")


def _metadata(checkpoint: Checkpoint, options: ExportOptions) -> dict[str, object]:
    """Return what an ONNX file carries of the manifest."""
    return {
        "name": options.name,
        "version": "1",
        "labels": checkpoint.class_names,
        "clip_spec": checkpoint.config.clip.model_dump(mode="json"),
    }
