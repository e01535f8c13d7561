"""The network of both streams: features meet between space and time, and again before the class scores."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.dsn.config import NetworkConfig
from training.networks.dsn.inception import scaled
from training.networks.dsn.single_stream import Backbone
from training.networks.dsn.temporal import TemporalOutput


class StreamOutput(NamedTuple):
    """What the losses need of one stream: scores [B, N], the branch-maximum feature [B, dim], the modality score [B]
    before its sigmoid, and both sides of the distillation [B, dim]."""

    logits: Tensor
    feature: Tensor
    modality: Tensor
    student: Tensor | None  # without recoupling
    teacher: Tensor


class FusionOutput(NamedTuple):
    """Fused class scores [B, N], both streams, and the decoder's reconstruction [B, dim]."""

    logits: Tensor
    rgb: StreamOutput
    depth: StreamOutput
    decoded: Tensor

    def heads(self) -> dict[str, Tensor]:
        """Every head's scores [B, N] under the names that an exported graph gives them; the answer is `logits`."""
        return {"logits": self.logits, "logits_rgb": self.rgb.logits, "logits_depth": self.depth.logits}


class CrossFusion(nn.Module):
    """Both streams' features, normalised and mixed. Source: docs/method.md, "Fusion network"."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mix = nn.Conv1d(2 * dim, dim, 1, bias=False)
        self.norm = nn.BatchNorm1d(dim)
        self.out = nn.Conv1d(dim, dim, 1, bias=False)
        self.dropout = nn.Dropout(0.4)

    def forward(self, both: Tensor) -> Tensor:
        """[B, 2 * dim, T] -> [B, dim, T]."""
        return self.dropout(self.out(F.relu(self.norm(self.mix(both)))))


def _dense(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU())


class FusionNet(nn.Module):
    """RGB and depth together ("FusionNet"). Source: docs/method.md, "Fusion network"."""

    def __init__(self, config: NetworkConfig, num_classes: int, num_frames: int) -> None:
        super().__init__()
        dim, code = config.dim, scaled(256, config.width)
        self.rgb = Backbone(config, num_frames)
        self.depth = Backbone(config, num_frames)
        self.spatial_fusion = CrossFusion(dim)
        self.temporal_fusion = CrossFusion(dim)
        self.rgb_head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, num_classes))
        self.depth_head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, num_classes))
        self.modality_head = nn.Sequential(nn.Dropout(0.5), nn.Linear(dim, 1, bias=False))
        self.encoder = nn.Sequential(
            _dense(2 * dim, 2 * dim), _dense(2 * dim, dim), _dense(dim, code), nn.Linear(code, code, bias=False)
        )
        self.decoder = nn.Sequential(_dense(code, code), _dense(code, dim))
        self.head = nn.Linear(code, num_classes, bias=False)

    def forward(self, rgb: Tensor, depth: Tensor, rng: np.random.Generator | None = None) -> FusionOutput:
        """Uint8 RGB and depth frames [B, T, H, W, 3] -> class scores; `rng` as in `UnimodalNet`."""
        return self.fuse(self.rgb.features(rgb), self.depth.features(depth), rng)

    def fuse(
        self, rgb_features: Tensor, depth_features: Tensor, rng: np.random.Generator | None = None
    ) -> FusionOutput:
        """Spatial features [B, T, dim] of both streams -> class scores."""
        shared = self._fuse_frames(rgb_features, depth_features)
        rgb_time = self.rgb.temporal(rgb_features + shared, rng)
        depth_time = self.depth.temporal(depth_features + shared, rng)
        rgb_feature, depth_feature = rgb_time.largest_token, depth_time.largest_token
        both = F.normalize(torch.cat([rgb_feature, depth_feature], -1), dim=-1)
        shared = self.temporal_fusion(both.unsqueeze(2)).squeeze(2)
        rgb = self._stream(self.rgb_head(rgb_feature), rgb_feature + shared, rgb_time)
        depth = self._stream(self.depth_head(depth_feature), depth_feature + shared, depth_time)
        encoded = self.encoder(torch.cat([rgb.feature, depth.feature], -1))
        return FusionOutput(self.head(encoded), rgb, depth, self.decoder(encoded))

    def _fuse_frames(self, rgb_features: Tensor, depth_features: Tensor) -> Tensor:
        """[B, T, dim] twice -> [B, T, dim]."""
        batch, num_frames, dim = rgb_features.shape
        both = F.normalize(torch.cat([rgb_features, depth_features], -1), dim=-1)
        # The reference reinterprets memory here instead of transposing, which scrambles time and channels; its weights
        # were trained on that.
        return self.spatial_fusion(both.reshape(batch, 2 * dim, num_frames)).reshape(batch, num_frames, dim)

    def _stream(self, logits: Tensor, feature: Tensor, temporal: TemporalOutput) -> StreamOutput:
        modality = self.modality_head(feature).squeeze(1)
        return StreamOutput(logits, feature, modality, temporal.distilled, temporal.mean_token)
