"""A graph in PyTorch -> an ONNX file."""

import ast
import json
import logging
import re
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnx_ir
import onnxscript.optimizer
import torch
from onnx_ir import passes
from onnx_ir.passes.common import (
    CheckerPass,
    ClearMetadataAndDocStringPass,
    DeduplicateInitializersPass,
    ShapeInferencePass,
)
from torch import Tensor, nn
from torch.export import Dim

from export.bundle.fields import MAX_BATCH
from export.bundle.manifest import Precision
from export.bundle.seeded_clips import seeded_inputs
from rgbd.clip.spec import ClipSpec
from rgbd.errors import UserError
from rgbd.interrupt import interrupted_after

# TensorRT's parser reads the operators of opset 20 and not all of the later ones.
_OPSET = 20
_OPSET_OF_BFLOAT16 = 22  # earlier ones have no convolutions and pools in bfloat16
_LARGEST_FILE = 2_000_000_000  # bytes; protobuf holds no more than 2 GiB


@dataclass(frozen=True)
class Input:
    """An input as it is traced, and which of its axes may have any length; of those, no traced one may be 1."""

    example: Tensor
    axes: Mapping[int, Dim]


def batch_axis() -> Dim:
    """Return the axis of clips, of which there may be as many as a bundle can promise."""
    return Dim("batch", min=1, max=MAX_BATCH)


def clip_inputs(streams: Sequence[str], spec: ClipSpec) -> dict[str, Input]:
    """Return a batch of clips, uint8 [B, T, H, W, 3], for each stream."""
    # A batch of 2 is traced: with 1 the exporter would take the axis for a constant.
    clips, batch = seeded_inputs(streams, spec, batch=2), batch_axis()
    return {stream: Input(torch.from_numpy(clip), {0: batch}) for stream, clip in clips.items()}


def export_onnx(
    graph: nn.Module,
    inputs: Mapping[str, Input],
    outputs: Sequence[str],
    metadata: Mapping[str, object],
    path: Path,
    precision: Precision = "fp32",
) -> None:
    """Write a graph, which takes its inputs by their order, to `path`, with the names of its outputs and `metadata`.

    Raises `UserError`, naming the operator and its module, for a network with something that ONNX does not have.
    """
    examples = tuple(given.example for given in inputs.values())
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # advice to its own developers
    # Within its tracing, PyTorch drops exceptions that come from outside, or aborts. Without gradients it has a fifth
    # less to trace.
    with warnings.catch_warnings(action="ignore"), interrupted_after("tracing the network"), torch.no_grad():
        try:
            program = torch.onnx.export(
                graph,
                examples,
                dynamo=True,
                opset_version=_OPSET_OF_BFLOAT16 if precision == "bf16" else _OPSET,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=(tuple(dict(given.axes) for given in inputs.values()),),
                verbose=False,
                optimize=False,
            )
        except torch.onnx.OnnxExporterError as error:
            reason = _reason(error)
            modules = "; ".join(_modules_with(reason, graph, examples))
            where = f" It is computed in: {modules}" if modules else ""
            raise UserError(f"this network cannot become an ONNX graph: {reason}.{where}") from error
    assert program is not None  # with dynamo, the exporter returns its program
    # Its own would go over the graph twice, which takes a seventh of the export, and finds nothing the second time.
    onnxscript.optimizer.optimize(program.model, num_iterations=1)
    _name_by_module(program.model.graph)
    # The exporter's own metadata would tell where on this machine the source code lies.
    unique = DeduplicateInitializersPass(size_limit=sys.maxsize)  # the pass that hashes reads contiguous tensors only
    passes.Sequential(ClearMetadataAndDocStringPass(), unique, ShapeInferencePass(), CheckerPass())(program.model)
    program.model.metadata_props.update({key: json.dumps(value) for key, value in metadata.items()})
    size = sum(tensor.const_value.nbytes for tensor in program.model.graph.initializers.values() if tensor.const_value)
    program.save(str(path), external_data=size > _LARGEST_FILE)
    onnx.checker.check_model(str(path), full_check=True)


def _name_by_module(graph: onnx_ir.Graph) -> None:
    """Name each node by the module that it is from, such as backbone.spatial.conv1/Conv_7: profiles tell it then."""
    for number, node in enumerate(graph):
        scopes = ast.literal_eval(node.metadata_props.get("pkg.torch.onnx.name_scopes", "[]"))
        module = scopes[-2].removeprefix("network").removeprefix(".") if len(scopes) > 2 else ""
        node.name = f"{module}/{node.op_type}_{number}"


def _reason(error: BaseException) -> str:
    """Return the innermost cause, which names the operator."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip()


def _modules_with(reason: str, graph: nn.Module, inputs: tuple[Tensor, ...]) -> list[str]:
    """Return the modules that compute the operator which the exporter could not translate."""
    operator = re.search(r"op='\w+\.(\w+)'", reason)
    if operator is None:
        return []
    nodes = torch.export.export(graph, inputs).run_decompositions().graph.nodes
    # The exporter has taken operators further apart: aten.special_bessel_j0 is its prims.bessel_j0.
    found = [node for node in nodes if operator[1] in str(node.target)]
    stacks = [list(node.meta.get("nn_module_stack", {}).values()) for node in found]
    return sorted({stack[-1][0].partition("network.")[2] for stack in stacks if stack})
