"""The files that artifacts are loaded from: ONNX graphs, quantized for int8, or written in a runtime's own format."""

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from export.build.describe import metadata_of
from export.build.graph import InferenceGraph
from export.build.onnx import clip_inputs, export_onnx
from export.build.plan import ExportOptions
from export.runtimes.spec import Graph, ModelFile
from export.verification.source import Source
from rgbd.steps import step
from training.networks.family import family_of


def write_files(
    folder: Path, files: Collection[ModelFile], source: Source, options: ExportOptions, heads: Sequence[str]
) -> None:
    """Write the files into `folder`, and beside int8 what became of each layer; no graph is made twice.

    `heads` are the outputs of every graph, in their order.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix="graphs-") as scratch:
        paths = {graph: Path(scratch) / f"{graph.form}-{graph.precision}.onnx" for graph in _graphs(files)}
        paths |= {file.graph: folder / file.name for file in files if file.write is None}
        for graph, path in paths.items():
            if graph.precision == "int8":
                with step(f"quantizing for {path.name}"):
                    _quantize(paths[_quantized_from(graph)], path, folder / "quantization.json", source, options)
            else:
                with step(f"tracing the network for {_made_of(graph, files)}"):
                    _export(graph, path, source, options, heads)
        for file in files:
            if file.write is not None:
                with step(f"converting to {file.name}"):
                    file.write(paths[file.graph], folder / file.name)


def _made_of(graph: Graph, files: Collection[ModelFile]) -> str:
    """Return the names of the files that are made of a graph, or of it in int8."""
    names = (file.name for file in files if graph in (file.graph, _quantized_from(file.graph)))
    return ", ".join(dict.fromkeys(names))


def _graphs(files: Collection[ModelFile]) -> Sequence[Graph]:
    """Return the graphs that files are made of, and before those in int8 what is quantized."""
    graphs = [file.graph for file in files]
    low = [graph for graph in graphs if graph.precision == "int8"]
    exported = [graph for graph in graphs if graph not in low]
    return tuple(dict.fromkeys([*exported, *map(_quantized_from, low), *low]))


def _quantized_from(graph: Graph) -> Graph:
    return replace(graph, precision="fp32")


def _export(graph: Graph, path: Path, source: Source, options: ExportOptions, heads: Sequence[str]) -> None:
    """Write one graph; its copy of the network ends with it."""
    config = source.checkpoint.config
    family = family_of(config)
    module = InferenceGraph(source.network, family, graph.form, graph.precision, answer_only=options.answer_only)
    inputs = clip_inputs(config.modalities, config.clip)
    export_onnx(module, inputs, heads, metadata_of(source, options), path, graph.precision)


def _quantize(onnx_path: Path, target: Path, report_path: Path, source: Source, options: ExportOptions) -> None:
    from export.build.quantize import WholeNetwork, quantize_onnx, write_report  # noqa: PLC0415  an optional dependency

    assert options.calibration is not None  # checked before anything was written
    report = quantize_onnx(onnx_path, target, source.checkpoint, options.calibration, WholeNetwork())
    write_report(report, report_path)
