"""What is random in training clips, as the configuration says it."""

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from training.config.section import Section

_SMALLEST_STEP_MM = 0.01


def _check_ranges(section: Section, *names: str) -> None:
    for name in names:
        low, high = getattr(section, name)
        if low > high:
            raise ValueError(f"{name} {[low, high]} is no range; give the smaller number first")


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


class ViewpointConfig(Section):
    """A camera that stands beside, above or below the one that recorded, for depth, which has three dimensions."""

    probability: float = Field(0.0, ge=0, le=1, description="probability that a clip is seen from elsewhere; 0: none")
    yaw_deg: float = Field(20.0, ge=0, le=60, description="largest turn around the upright axis, to either side")
    pitch_deg: float = Field(10.0, ge=0, le=60, description="largest turn up or down")
    field_of_view_deg: float = Field(
        50.0, ge=5, le=150, description="what a prepared frame spans from left to right; a whole one of a Kinect: 57"
    )


_Factor = Annotated[float, Field(ge=0, le=4)]
_Share = Annotated[float, Field(gt=0, le=1)]
_Zoom = Annotated[float, Field(ge=0.5, le=2)]
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
        _check_ranges(self, "brightness", "contrast", "saturation", "gamma", "hue_deg")
        return self


class AugmentConfig(Section):
    """What is random in training clips. Source: docs/method.md, "Settings by data set"; the defaults are NTU's."""

    flip: float = Field(0.5, ge=0, le=1, description="probability of mirroring")
    rotated: float = Field(0.5, ge=0, le=1, description="probability of a rotation")
    angle_deg: tuple[int, int] = Field((-10, 10), description="range of rotations, whole degrees, both ends included")
    mixup: float = Field(0.0, ge=0, description="MixUp of clips: alpha of its Beta distribution; 0: none")
    shufflemix: float = Field(0.0, ge=0, description="ShuffleMix, frames of one clip among another's: alpha; 0: none")
    shufflemix_share: float = Field(
        0.5, gt=0, lt=1, description="of the batches that ShuffleMix mixes, where MixUp is on"
    )
    span: tuple[_Share, _Share] = Field(
        (1.0, 1.0), description="range of the share of a recording that is read, anywhere within it"
    )
    zoom: tuple[_Zoom, _Zoom] = Field((1.0, 1.0), description="range of the factor by which all is larger")
    depth_noise: DepthNoiseConfig = DepthNoiseConfig()
    viewpoint: ViewpointConfig = ViewpointConfig()
    photometric: PhotometricConfig = PhotometricConfig()

    @model_validator(mode="after")
    def _is_range(self) -> "AugmentConfig":
        if not -180 <= self.angle_deg[0] <= self.angle_deg[1] <= 180:
            raise ValueError(f"angle_deg {list(self.angle_deg)} is no range within -180 to 180")
        _check_ranges(self, "span", "zoom")
        return self
