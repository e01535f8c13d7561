"""What the configuration says of these networks; the defaults are the published ones, for clips of 32 frames."""

from pydantic import Field, NonNegativeFloat, model_validator

from rgbd.clip.spec import ClipSpec
from training.config import schema
from training.networks.dsn.inception import scaled

TAUGHT_BLOCKS = 3  # the last of each branch teach the three recouplings


class NetworkConfig(schema.NetworkConfig):
    """Shape of the network. Source: docs/method.md, "The second family"."""

    width: float = Field(1.0, gt=0, le=4, description="channels and token width, relative to the published network")
    branch_divisor: int = Field(
        2,
        ge=1,
        description="the small branch reads clip.num_frames // this, the others two and three times as many; of 64: 4",
    )
    num_blocks: int = Field(6, ge=TAUGHT_BLOCKS, description="transformer blocks of each branch; the last three teach")
    num_heads: int = Field(8, ge=1, description="attention heads of a block, and of the fusion")
    kept_scores: float = Field(0.7, gt=0, le=1, description="share of attention scores kept in every row")
    spatial_fusions: int = Field(2, ge=1, description="layers of the fusion in which frames of both streams meet")
    temporal_fusions: int = Field(4, ge=1, description="layers of the fusion after those, of frames and class token")
    batchnorm_momentum: float = Field(0.01, gt=0, le=1, description="short runs need more: 0.1")

    @property
    def dim(self) -> int:
        """The width of a token."""
        return scaled(512, self.width)

    def branch_frames(self, num_frames: int) -> tuple[int, int, int]:
        """Return how many frames of a clip's the small, medium and large branch read; the last may repeat some."""
        small = num_frames // self.branch_divisor
        return small, 2 * small, 3 * small

    @model_validator(mode="after")
    def _heads_divide(self) -> "NetworkConfig":
        if self.dim % self.num_heads:
            raise ValueError(f"num_heads {self.num_heads} must divide the token width {self.dim} (512 x width)")
        return self

    def check_clip(self, clip: ClipSpec) -> None:
        """Raise `ValueError` where a branch would read no frame, or keep no score."""
        small, *_ = self.branch_frames(clip.num_frames)
        if small < 1:
            raise ValueError(
                f"network.branch_divisor {self.branch_divisor} leaves the small branch none of the {clip.num_frames} "
                "frames of clip.num_frames; lower it"
            )
        if int((small + 1) * self.kept_scores) < 1:
            raise ValueError(
                f"network.kept_scores {self.kept_scores} keeps none of the small branch's {small + 1} scores in a row"
            )


class LossConfig(schema.LossConfig):
    """Weights of the loss terms. Source: docs/method.md, "The second family"."""

    heads: tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat, NonNegativeFloat] = Field(
        (1.0, 0.5, 0.5, 0.5), description="weights of the fused, small, medium and large head's cross-entropy"
    )
    distillation: float = Field(0.2, ge=0, description="its weight from the epoch after the warm-up and one more")
    distillation_temperature: float = Field(0.6, gt=0)

    @model_validator(mode="after")
    def _something_is_learnt(self) -> "LossConfig":
        if not any(self.heads):
            raise ValueError("heads are all 0, so that no class would be learnt; give at least one a weight")
        return self


class LegacyConfig(schema.LegacyConfig):
    """Behaviour of the reference that repeats its figures, off by default.

    Source: docs/method.md, "The second family".
    """

    attached_teacher: bool = Field(False, description="the distillation moves the branches, too; see docs/method.md")

    def check_schedule(self, schedule: schema.ScheduleConfig) -> None:
        """Raise `ValueError` where the published code has no such schedule to repeat."""
        if self.warmup and schedule.name == "plateau":
            raise ValueError(
                "legacy.warmup repeats the published cosine, or steps, and schedule.name is plateau; set one of both "
                "otherwise"
            )
