"""An embedded Triton that serves one ONNX file through ONNX Runtime, in a Python backend with dynamic batching.

Run: `python server.py MODEL PORT MAX_BATCH` with what requirements.txt names. The model is called `motion`.
"""

import signal
import sys

import numpy as np
import onnxruntime
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

ADDRESS = "127.0.0.1"
TYPES = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}


def tensors(nodes: list[onnxruntime.NodeArg]) -> list[Tensor]:
    return [Tensor(name=node.name, dtype=TYPES[node.type], shape=tuple(node.shape[1:])) for node in nodes]


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # PyTriton leaves nothing behind after Ctrl-C alone
    path, port, max_batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    @batch
    def infer(**inputs: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, inputs), strict=True))

    config = TritonConfig(http_address=ADDRESS, http_port=port, allow_grpc=False, allow_metrics=False)
    with Triton(config=config) as triton:
        triton.bind(
            model_name="motion",
            infer_func=infer,
            inputs=tensors(session.get_inputs()),
            outputs=tensors(session.get_outputs()),
            config=ModelConfig(max_batch_size=max_batch, batcher=DynamicBatcher()),
        )
        triton.serve()


if __name__ == "__main__":
    main()
