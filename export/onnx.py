"""A trained network -> one ONNX file: uint8 clips in, guidance inside, every head's scores out."""

from pathlib import Path

import torch
from torch import Tensor, nn

from training.checkpoint import Checkpoint
from training.models.fusion import FusionNet
from training.models.unimodal import UnimodalNet

# TensorRT's parser reads the operators of opset 20 and not all of the later ones (DESIGN.md, facts about the tools).
OPSET = 20


class ExportedHeads(nn.Module):
    """The network as a graph sees it: clips in, a tuple of scores out."""

    def __init__(self, network: UnimodalNet | FusionNet) -> None:
        super().__init__()
        self.network = network.eval()

    def forward(self, *clips: Tensor) -> tuple[Tensor, ...]:
        """Uint8 [B, T, size, size, 3] for each stream -> float32 [B, N] for each head."""
        return tuple(self.network(*clips).heads().values())


def example_clips(checkpoint: Checkpoint, batch: int) -> tuple[Tensor, ...]:
    """Return seeded clips of the network's shape: moving, smooth, with a still background, as guidance needs them."""
    spec = checkpoint.config.clip
    generator = torch.Generator().manual_seed(0)
    shape = (batch, spec.num_frames, 3, spec.size, spec.size)
    clips = []
    for _ in checkpoint.config.modalities:
        coarse = torch.rand((batch, 3, spec.num_frames // 2 + 1, 7, 7), generator=generator)
        smooth = nn.functional.interpolate(coarse, size=(shape[1], *shape[3:]), mode="trilinear")
        clips.append((smooth * 255).to(torch.uint8).permute(0, 2, 3, 4, 1).contiguous())
    return tuple(clips)


def export_onnx(network: UnimodalNet | FusionNet, checkpoint: Checkpoint, path: Path) -> tuple[str, ...]:
    """Write the graph to `path` with a dynamic batch and return its output names, `logits` first."""
    # A batch of 2 is traced: with 1 the exporter would take the axis for a constant.
    clips = example_clips(checkpoint, batch=2)
    heads = ExportedHeads(network)
    with torch.no_grad():
        names = tuple(network.eval()(*clips).heads())
    batch = torch.export.Dim("batch", min=1, max=1024)
    program = torch.onnx.export(
        heads,
        clips,
        dynamo=True,
        opset_version=OPSET,
        input_names=list(checkpoint.config.modalities),
        output_names=list(names),
        dynamic_shapes=(tuple({0: batch} for _ in clips),),
        verbose=False,
    )
    assert program is not None  # with dynamo, the exporter returns its program
    program.save(str(path), external_data=False)
    return names
