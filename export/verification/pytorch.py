"""PyTorch itself, behind the Protocol of the runtimes: what they are compared with."""

from collections.abc import Sequence

import torch
from torch import nn

from export.runtimes import Inputs, Outputs, RuntimeInfo


class TorchRuntime:
    """A network in float32; `streams` are its inputs in their order."""

    def __init__(self, network: nn.Module, streams: Sequence[str], device: str = "cpu") -> None:
        self._network = network.eval().to(device)
        self._streams = streams
        self.info = RuntimeInfo("torch", device, "fp32")

    @torch.inference_mode()
    def infer(self, inputs: Inputs) -> Outputs:
        """Return float32 [B, N] outputs by name; see `Runtime.infer`."""
        clips = (torch.from_numpy(inputs[stream]).to(self.info.device) for stream in self._streams)
        return {name: head.float().cpu().numpy() for name, head in self._network(*clips).heads().items()}
