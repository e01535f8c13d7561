"""What `export.runtimes` uses of the package cuda-bindings, which has no annotations.

Source of every signature: the docstring of the same function in cuda-bindings 13.5.0.
"""

from enum import IntEnum
from typing import Any

class cudaError_t(IntEnum):
    cudaSuccess = 0

class cudaMemcpyKind(IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2

class cudaDeviceProp:
    name: bytes

def cudaGetDeviceCount() -> tuple[cudaError_t, int | None]: ...
def cudaGetDeviceProperties(device: int) -> tuple[cudaError_t, cudaDeviceProp]: ...
def cudaStreamCreate() -> tuple[cudaError_t, Any]: ...
def cudaStreamSynchronize(stream: Any) -> tuple[cudaError_t]: ...
def cudaMalloc(size: int) -> tuple[cudaError_t, int]: ...
def cudaMallocHost(size: int) -> tuple[cudaError_t, int]: ...
def cudaMemcpyAsync(dst: int, src: int, count: int, kind: cudaMemcpyKind, stream: Any) -> tuple[cudaError_t]: ...
