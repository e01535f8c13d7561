"""What is random in training clips, as the configuration says it."""

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from training.config.section import Section

_SMALLEST_STEP_MM = 0.01


class DepthNoiseConfig(Section):
    """What a real sensor does to distances, on millimetres before they are encoded; the defaults are a Kinect's.

    Sources: Khoshelham and Elberink 2012 (Sensors 12) for errors and steps that grow with the square of the distance;
    Nguyen et al. 2012 (3DIMPVT) measured nearly the same errors.
    """

    probability: float = Field(0.0, ge=0, le=1, description="probability that a clip gets noise; 0: none")
    edge_loss: float = Field(0.25, ge=0, le=1, description="share of the pixels at edges that are lost, as 0")
    blob_loss: float = Field(0.03, ge=0, le=0.5, description="share of all pixels that are lost in blobs, at most")
    jitter_mm: float = Field(
        1.4, ge=0, le=100, description="standard deviation of the error at 1 m; 4 times that at 2 m"
    )
    step_mm: float = Field(2.8, ge=0, le=100, description="between distances told apart at 1 m; 4 times that at 2 m")

    @field_validator("step_mm")
    @classmethod
    def _is_a_step(cls, step_mm: float) -> float:
        if 0 < step_mm < _SMALLEST_STEP_MM:
            raise ValueError(f"is no step of a sensor; give {_SMALLEST_STEP_MM} or more, or 0")
        return step_mm


_Factor = Annotated[float, Field(ge=0, le=4)]
_Gamma = Annotated[float, Field(ge=0.2, le=5)]
_Hue = Annotated[float, Field(ge=-180, le=180)]


class PhotometricConfig(Section):
    """Other light and another camera's colours, in RGB alone; one draw from each range is for all frames of a clip."""

    probability: float = Field(0.0, ge=0, le=1, description="probability that a clip gets other colours; 0: none")
    brightness: tuple[_Factor, _Factor] = Field((0.7, 1.3), description="range of the factor of all values")
    contrast: tuple[_Factor, _Factor] = Field(
        (0.7, 1.3), description="range of the factor of the difference from mid grey"
    )
    saturation: tuple[_Factor, _Factor] = Field((0.7, 1.3), description="range; 0 makes grey, 1 changes nothing")
    gamma: tuple[_Gamma, _Gamma] = Field((0.8, 1.25), description="range of the exponent; below 1 lights up the dark")
    hue_deg: tuple[_Hue, _Hue] = Field((-10.0, 10.0), description="range of turns from red towards green")

    @model_validator(mode="after")
    def _are_ranges(self) -> "PhotometricConfig":
        for name in ("brightness", "contrast", "saturation", "gamma", "hue_deg"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} {[low, high]} is no range; give the smaller number first")
        return self


class AugmentConfig(Section):
    """What is random in training clips. Source: docs/method.md, "Settings by data set"; the defaults are NTU's."""

    flip: float = Field(0.5, ge=0, le=1, description="probability of mirroring")
    rotated: float = Field(0.5, ge=0, le=1, description="probability of a rotation")
    angle_deg: tuple[int, int] = Field((-10, 10), description="range of rotations, whole degrees, both ends included")
    mixup: float = Field(0.0, ge=0, description="MixUp of clips: alpha of its Beta distribution; 0: none")
    shufflemix: float = Field(0.0, ge=0, description="ShuffleMix, frames of one clip among another's: alpha; 0: none")
    depth_noise: DepthNoiseConfig = DepthNoiseConfig()
    photometric: PhotometricConfig = PhotometricConfig()

    @model_validator(mode="after")
    def _is_range(self) -> "AugmentConfig":
        if not -180 <= self.angle_deg[0] <= self.angle_deg[1] <= 180:
            raise ValueError(f"angle_deg {list(self.angle_deg)} is no range within -180 to 180")
        return self
