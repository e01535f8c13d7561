"""TensorRT on an NVIDIA GPU: engines are built where they run, once, and kept in the user's cache."""

import ctypes
import math
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import tensorrt as trt
from cuda.bindings import runtime as cudart
from numpy.typing import NDArray

from export.runtimes import Inputs, Outputs, RuntimeInfo
from export.runtimes.devices import index_of
from export.runtimes.tensorrt_engines import deserialize, engine_file
from rgbd.errors import UserError


def no_gpu_reason() -> str | None:
    """Return why no GPU can be used; None if one can."""
    error, count = cudart.cudaGetDeviceCount()
    return None if error == cudart.cudaError_t.cudaSuccess and count else f"no GPU can be used ({error.name})"


def gpu_name(index: int = 0) -> str:
    """Return the name of a GPU."""
    error, properties = cudart.cudaGetDeviceProperties(index)
    _check(error)
    return properties.name.decode()


class TensorRtRuntime:
    """An ONNX file as an engine for this GPU, for up to `max_batch` clips at a time.

    The engine is kept in the user's cache, or in the folder `engines`. Memory for the largest batch is taken once:
    pinned, so that copies run beside the processor, and on the GPU.
    """

    def __init__(self, path: Path, precision: str, max_batch: int, device: str, engines: Path | None) -> None:
        self._gpu = index_of(device)
        _check(*cudart.cudaSetDevice(self._gpu))
        plan = engine_file(path, precision, max_batch, gpu_name(self._gpu), engines)
        engine = deserialize(plan)
        self._context = engine.create_execution_context()
        self._max_batch = max_batch
        error, self._stream = cudart.cudaStreamCreate()
        _check(error)
        weakref.finalize(self, cudart.cudaStreamDestroy, self._stream)
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        self._outputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT]
        for name in names:
            if name not in self._outputs:
                self._context.set_input_shape(name, (max_batch, *tuple(engine.get_tensor_shape(name))[1:]))
        self._buffers = {name: _Buffer(self._context, engine.get_tensor_dtype(name), name) for name in names}
        for name, buffer in self._buffers.items():
            self._context.set_tensor_address(name, buffer.device)
        self.info = RuntimeInfo("tensorrt", device, precision)

    def infer(self, inputs: Inputs) -> Outputs:
        """Return float32 [B, N] outputs by name; see `Runtime.infer`. Not for several threads at a time."""
        _check(*cudart.cudaSetDevice(self._gpu))  # each thread has one of its own
        (batch,) = {len(clips) for clips in inputs.values()}
        if batch > self._max_batch:
            raise UserError(f"{batch} clips at a time: the engine was built for {self._max_batch}; see --max-batch")
        for name, clips in inputs.items():
            self._context.set_input_shape(name, clips.shape)
            self._buffers[name].upload(clips, self._stream)
        if not self._context.execute_async_v3(self._stream):
            raise RuntimeError("TensorRT could not run the engine; its log says why")
        for name in self._outputs:
            self._buffers[name].download(self._num_rows(name), self._stream)
        _check(*cudart.cudaStreamSynchronize(self._stream))
        return {name: self._buffers[name].host[: self._num_rows(name)].copy() for name in self._outputs}

    def _num_rows(self, name: str) -> int:
        # Of an answer the batch; of a tensor within the graph, which the layer comparison asks for, maybe all frames.
        return self._context.get_tensor_shape(name)[0]


class _Buffer:
    """A tensor of the engine at its largest batch, on the GPU and in pinned memory, which are freed with it."""

    def __init__(self, context: trt.IExecutionContext, kind: trt.DataType, name: str) -> None:
        shape = tuple(context.get_tensor_shape(name))
        dtype = np.dtype(trt.nptype(kind))
        num_bytes = math.prod(shape) * dtype.itemsize
        error, self.device = cudart.cudaMalloc(num_bytes)
        _check(error)
        weakref.finalize(self, cudart.cudaFree, self.device)
        error, address = cudart.cudaMallocHost(num_bytes)
        _check(error)
        weakref.finalize(self, cudart.cudaFreeHost, address)
        memory = (ctypes.c_ubyte * num_bytes).from_address(address)
        self.host: NDArray[Any] = np.frombuffer(memoryview(memory), dtype).reshape(shape)

    def upload(self, values: NDArray[Any], stream: object) -> None:
        host = self.host[: len(values)]
        host[:] = values
        kind = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        _check(*cudart.cudaMemcpyAsync(self.device, host.ctypes.data, host.nbytes, kind, stream))

    def download(self, batch: int, stream: object) -> None:
        host = self.host[:batch]
        kind = cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        _check(*cudart.cudaMemcpyAsync(host.ctypes.data, self.device, host.nbytes, kind, stream))


def _check(error: cudart.cudaError_t) -> None:
    if error != cudart.cudaError_t.cudaSuccess:
        raise UserError(f"the GPU reports {error.name}; check its driver (nvidia-smi) and that it has memory left")
