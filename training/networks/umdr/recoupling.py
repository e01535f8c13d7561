"""Recoupling inside the spatial stream: in every frame channels read each other, and a gate over time weighs that."""

import torch
from torch import Tensor, nn

FRAME_DIM = 16  # of a frame's queries and keys; docs/method.md, "Recoupling at three depths"


class Recoupling(nn.Module):
    """Features of frames -> recoupled features, and the gate over time in a form to distil.

    Source: docs/method.md, "Recoupling at three depths".
    """

    def __init__(self, num_frames: int, dim: int) -> None:
        super().__init__()
        self.num_frames = num_frames
        self.query = nn.Linear(num_frames, FRAME_DIM * num_frames, bias=False)
        self.key = nn.Linear(num_frames, FRAME_DIM * num_frames, bias=False)
        self.time_gate = nn.Sequential(
            nn.Linear(num_frames, 2 * num_frames, bias=False),
            nn.GELU(),
            nn.Linear(2 * num_frames, num_frames, bias=False),
            nn.LayerNorm(num_frames),
        )
        self.distil = nn.Linear(num_frames, dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[B*T, C, H, W] -> ([B*T, C, H, W], [B, dim])."""
        clips = (-1, self.num_frames)
        pixels = x.permute(0, 2, 3, 1).flatten(1, 2)  # channels lie last in memory, so that nothing moves
        weights = self.weights(pixels.mean(1).unflatten(0, clips)).flatten(0, 1)
        mixed = pixels @ weights.transpose(1, 2)
        gate = self.time_gate(mixed.mean((1, 2)).unflatten(0, clips))
        pixels = pixels + mixed * torch.sigmoid(gate).flatten()[:, None, None]
        return pixels.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2), self.distil(gate)

    def weights(self, means: Tensor) -> Tensor:
        """[B, T, C] -> how much each channel of a frame reads of every other [B, T, C, C]; rows add up to 1."""
        over_time = means.transpose(1, 2)
        query, key = (
            part(over_time).unflatten(-1, (self.num_frames, FRAME_DIM)).transpose(1, 2)
            for part in (self.query, self.key)
        )
        return (query @ key.transpose(-2, -1) / FRAME_DIM**0.5).softmax(-1)
