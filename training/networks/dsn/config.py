"""What the configuration says of these networks; the defaults are the published ones."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from rgbd.clip.spec import ClipSpec
from training.config import schema
from training.networks.dsn.inception import scaled


class NetworkConfig(schema.NetworkConfig):
    """Shape of the network. Source: docs/method.md, "Network of one stream"."""

    width: float = Field(1.0, gt=0, le=4, description="channels and token width, relative to the published network")
    branch_frames: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        (16, 32, 48), description="frames that the small, medium and large branch read"
    )
    num_blocks: int = Field(6, ge=1, description="transformer blocks of each branch")
    num_heads: int = Field(8, ge=1, description="attention heads of a block")
    kept_scores: float = Field(0.7, gt=0, le=1, description="share of attention scores kept in every row")
    guidance: bool = Field(True, description="frame-wise rank pooling steers the spatial stream")
    guidance_window: int = Field(10, ge=1, description="frames; NvGesture: 4")
    recoupling: bool = Field(True, description="gates over time and channels, and their distillation")
    recoupling_heads: int = Field(1, ge=1)
    recoupling_hidden: int | None = Field(
        None, ge=1, description="null: four times the clip's frames; THU-READ's published files have 128"
    )
    batchnorm_momentum: float = Field(0.01, gt=0, le=1, description="short runs need more: 0.1")

    @property
    def dim(self) -> int:
        """The width of a token."""
        return scaled(512, self.width)

    @model_validator(mode="after")
    def _heads_divide(self) -> "NetworkConfig":
        if self.dim % self.num_heads:
            raise ValueError(f"num_heads {self.num_heads} must divide the token width {self.dim} (512 x width)")
        return self

    @model_validator(mode="after")
    def _some_scores_are_kept(self) -> "NetworkConfig":
        num_tokens = min(self.branch_frames) + 1
        if int(num_tokens * self.kept_scores) < 1:
            raise ValueError(f"kept_scores {self.kept_scores} keeps none of a branch's {num_tokens} scores in a row")
        return self

    def check_clip(self, clip: ClipSpec) -> None:
        """Raise `ValueError` where a branch or the guidance would read more frames than a clip has."""
        if max(self.branch_frames) > clip.num_frames:
            raise ValueError(
                f"network.branch_frames {list(self.branch_frames)} reads more than the {clip.num_frames} of "
                "clip.num_frames"
            )
        if self.guidance and self.guidance_window > clip.num_frames:
            raise ValueError(
                f"network.guidance_window {self.guidance_window} is longer than a clip, which has {clip.num_frames} "
                "frames (clip.num_frames): nothing would be guided; shorten it, or set network.guidance to false"
            )


class LossConfig(schema.LossConfig):
    """Weights of the loss terms. Source: docs/method.md, "Loss of one stream"."""

    heads: tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat, NonNegativeFloat] = Field(
        (1.0, 0.5, 0.5, 0.5), description="weights of the fused, small, medium and large head's cross-entropy"
    )
    distillation: float = Field(1.0, ge=0, description="its weight once the warm-up is over")
    distillation_temperature: float = Field(0.5, gt=0, description="NvGesture and IsoGD: 0.4")

    @model_validator(mode="after")
    def _something_is_learnt(self) -> "LossConfig":
        if not any(self.heads):
            raise ValueError("heads are all 0, so that no class would be learnt; give at least one a weight")
        return self


_Tau = Annotated[float, Field(ge=1e-3)]


class ScheduleConfig(schema.ScheduleConfig):
    """What changes from epoch to epoch, the heads' temperature too.

    Source: docs/method.md, "What changes with the epoch".
    """

    tau: tuple[_Tau, _Tau] = Field((0.04, 0.07), description="the heads' temperature goes from the first ...")
    tau_epochs: int = Field(30, ge=1, description="... to the second in so many epochs, then stays")


class LegacyConfig(schema.LegacyConfig):
    """Behaviour of the reference that repeats its figures, off by default.

    Source: docs/method.md, "What the reference does differently".
    """

    sum_distillation: bool = Field(False, description="sum the distillation over the batch; see docs/method.md")

    def check_schedule(self, schedule: schema.ScheduleConfig) -> None:
        """Raise `ValueError` where the published code has no such schedule to repeat."""
        if self.warmup and schedule.name == "step":
            raise ValueError(
                "legacy.warmup repeats what the reference does before a cosine or a plateau, and schedule.name is "
                "step, which no published run uses; set one of both otherwise"
            )
