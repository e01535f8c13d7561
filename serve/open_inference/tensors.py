"""Tensors over HTTP, in JSON or behind it, as the binary extension of the Open Inference Protocol v2 has them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from rgbd.nearest_name import nearest_name
from rgbd.types import Stream
from serve.errors import MalformedTensorsError
from serve.inference.served_model import ServedModel
from serve.open_inference.messages import (
    InferInput,
    InferRequest,
    InputParameters,
    OutputParameters,
    RequestParameters,
)

_PARAMETERS: dict[str, type[BaseModel]] = {
    "inputs": InputParameters,
    "outputs": OutputParameters,
}  # by where they stand
_MAX_DIGITS = 20  # Python refuses to read numbers of thousands
_MAX_JSON_BYTES = 64 << 20  # numbers take ten times the memory of their digits

Outputs = Mapping[str, NDArray[np.float32]]


def read_request(body: bytes, json_bytes: str | None) -> tuple[InferRequest, memoryview]:
    """Return a request's JSON, and the bytes behind it, given the header Inference-Header-Content-Length, if any."""
    size = len(body) if json_bytes is None else _number(json_bytes, len(body))
    if size > _MAX_JSON_BYTES:
        raise MalformedTensorsError("the tensors as JSON are too large; send them with the binary extension")
    try:
        return InferRequest.model_validate(from_json(body[:size])), memoryview(body)[size:]
    except ValidationError as error:
        raise MalformedTensorsError(_reason(error)) from error
    except ValueError as error:
        raise MalformedTensorsError(f"the request is not JSON: {error}") from error


def read_clips(request: InferRequest, binary: memoryview, model: ServedModel) -> list[dict[Stream, NDArray[np.uint8]]]:
    """Return the request's clips, each uint8 [T, H, W, 3] by stream."""
    given = {tensor.name for tensor in request.inputs}
    if given != set(model.streams) or len(request.inputs) != len(given):
        wanted = " and ".join(model.streams)
        raise MalformedTensorsError(f"the model takes {wanted}; given were {', '.join(t.name for t in request.inputs)}")
    shape = model.bundle.manifest.clip_spec.shape
    batches: dict[Stream, NDArray[np.uint8]] = {}
    for tensor in request.inputs:
        if tensor.datatype != "UINT8" or tuple(tensor.shape[1:]) != shape or len(tensor.shape) != len(shape) + 1:
            raise MalformedTensorsError(
                f"{tensor.name}: is {tensor.datatype} {tensor.shape}, the model takes UINT8 {[-1, *shape]}"
            )
        if not 1 <= tensor.shape[0] <= model.max_batch:
            raise MalformedTensorsError(f"{tensor.name}: send 1 to {model.max_batch} clips, not {tensor.shape[0]}")
        values, binary = _values(tensor, binary)
        stream: Stream = "rgb" if tensor.name == "rgb" else "depth"
        batches[stream] = values.reshape(tensor.shape)
    if len(binary):
        raise MalformedTensorsError(f"{len(binary)} bytes follow that belong to no tensor")
    sizes = {len(batch) for batch in batches.values()}
    if len(sizes) > 1:
        raise MalformedTensorsError(f"the streams hold different numbers of clips: {sorted(sizes)}")
    return [{stream: batch[i] for stream, batch in batches.items()} for i in range(sizes.pop())]


def check_outputs(request: InferRequest, model: ServedModel) -> list[str]:
    """Return the names of the outputs that are asked for: all, if none is named."""
    have = [tensor.name for tensor in model.bundle.manifest.outputs]
    for output in request.outputs:
        if output.name not in have:
            raise MalformedTensorsError(f"there is no output {output.name!r}; the model has {', '.join(have)}")
    return [output.name for output in request.outputs] or have


def write_reply(
    request: InferRequest, model: ServedModel, names: Sequence[str], outputs: Outputs
) -> tuple[bytes, int | None]:
    """Return a reply of float32 [B, N] tensors, or their best classes, and how much of it is JSON if bytes follow."""
    tensors, tail = [], []
    for name in names:
        datatype, values = "FP32", np.ascontiguousarray(outputs[name], "<f4")
        if count := request.num_classes(name):
            datatype, values = "BYTES", _best_classes(values, model.bundle.manifest.labels, count)
        tensor: dict[str, Any] = {"name": name, "datatype": datatype, "shape": list(values.shape)}
        if request.is_binary(name):
            content = _as_strings(values) if datatype == "BYTES" else values.tobytes()
            tensor["parameters"] = {"binary_data_size": len(content)}
            tail.append(content)
        else:
            tensor["data"] = values.ravel().tolist()
        tensors.append(tensor)
    reply = {"model_name": model.name, "model_version": model.version, "outputs": tensors}
    head = json.dumps(reply | ({"id": request.id} if request.id is not None else {})).encode()
    return b"".join([head, *tail]), len(head) if tail else None


def _best_classes(values: NDArray[np.float32], labels: Sequence[str], count: int) -> NDArray[np.object_]:
    """Return the best classes of each clip [B, count], as the protocol's classification extension writes them."""
    best = np.argsort(-values, axis=1, kind="stable")[:, :count]
    rows = [
        [f"{row[index]:f}:{index}:{labels[index]}" for index in order] for row, order in zip(values, best, strict=True)
    ]
    return np.array(rows, dtype=object)


def _as_strings(texts: NDArray[np.object_]) -> bytes:
    """Return strings as the binary extension has them: the length of each before it, in four bytes."""
    encoded = [text.encode() for text in texts.ravel()]
    return b"".join(part for text in encoded for part in (len(text).to_bytes(4, "little"), text))


def _reason(error: ValidationError) -> str:
    """Return what is wrong with a request, and which parameter was meant where one is not known."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] != "extra_forbidden":
        return f"{where}: {first['msg']}"
    place = _PARAMETERS.get(str(first["loc"][0]), RequestParameters)
    near = nearest_name(str(first["loc"][-1]), place.model_fields)
    hint = f"there are {', '.join(place.model_fields)}" if near is None else f"did you mean {near}?"
    return f"{where}: is not known here; {hint}"


def _number(text: str, largest: int) -> int:
    if not text.isdecimal() or len(text) > _MAX_DIGITS or int(text) > largest:
        raise MalformedTensorsError(f"Inference-Header-Content-Length: {text!r} is no length within the request")
    return int(text)


def _values(tensor: InferInput, binary: memoryview) -> tuple[NDArray[np.uint8], memoryview]:
    """Return the tensor's values, flat, and the bytes behind them."""
    count = int(np.prod(tensor.shape))
    size = tensor.parameters.binary_data_size
    if size is not None:
        if size != count or len(binary) < count:
            raise MalformedTensorsError(f"{tensor.name}: takes {count} bytes, binary_data_size is {size}")
        return np.frombuffer(binary[:count], np.uint8), binary[count:]
    try:
        values = np.asarray(tensor.data)
        if (
            values.size == count
            and np.issubdtype(values.dtype, np.integer)
            and values.min() >= 0
            and values.max() < 256
        ):
            return values.astype(np.uint8).ravel(), binary
    except ValueError:  # rows of different lengths
        pass
    raise MalformedTensorsError(f"{tensor.name}: data must hold {count} whole numbers from 0 to 255")
