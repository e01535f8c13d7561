"""Recoupling: gates over time and over channels that bind what space and time learnt apart."""

import torch
from torch import Tensor, nn

HEAD_DIM = 64  # of queries and keys; docs/method.md, "Recoupling"


class Recoupling(nn.Module):
    """Features [B, C, T] -> gated features [B, C, T] and the distillation feature [B, C].

    Source: docs/method.md, "Recoupling". The channel gate needs only the mean over the queries of a CxC product, which
    is the product with the mean query, so the matrix is never made.
    """

    def __init__(self, num_frames: int, dim: int, num_heads: int, hidden: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(num_frames, HEAD_DIM * num_heads, bias=False)
        self.key = nn.Linear(num_frames, HEAD_DIM * num_heads, bias=False)
        self.time_gate = nn.Sequential(
            nn.Linear(num_frames, hidden, bias=False),
            nn.GELU(),
            nn.Linear(hidden, num_frames, bias=False),
            nn.LayerNorm(num_frames),
        )
        self.merge_heads = (
            nn.Sequential(nn.Dropout(0.4), nn.Linear(dim * num_heads, dim, bias=False), nn.LayerNorm(dim))
            if num_heads > 1
            else nn.Identity()
        )
        self.distil = nn.Linear(num_frames, dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[B, C, T] -> ([B, C, T], [B, C])."""
        over_time = torch.sigmoid(self.time_gate(x.mean(1)))
        over_channels = torch.sigmoid(self.merge_heads(self._channel_scores(x)))
        return x * over_channels.unsqueeze(2) * over_time.unsqueeze(1), self.distil(over_time)

    def _channel_scores(self, x: Tensor) -> Tensor:
        """[B, C, T] -> [B, heads * C]."""
        # The mean query of all channels is the query of the mean channel, because the map is linear.
        query = self.query(x.mean(1)).unflatten(-1, (self.num_heads, HEAD_DIM))
        key = self.key(x).unflatten(-1, (self.num_heads, HEAD_DIM))
        scores = torch.einsum("bhd,bchd->bhc", query, key) / HEAD_DIM**0.5
        return scores.flatten(1)
