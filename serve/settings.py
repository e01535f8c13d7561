"""The service's settings: command line, then environment variables RGBD_MOTION_*, then these defaults."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Limits of one service process; an upload is untrusted until it has passed them."""

    model_config = SettingsConfigDict(env_prefix="RGBD_MOTION_", frozen=True)

    max_upload_mb: int = Field(200, ge=1)  # one request's body
    max_frames: int = Field(3000, ge=1)  # of one stream: 100 s at 30 frames/s
    max_pixels: int = Field(3840 * 2160, ge=1)  # of one frame
    max_requests: int = Field(16, ge=1)  # at work or waiting; more are told to come back
    max_batch: int = Field(4, ge=1)  # clips in one inference
    max_delay_ms: float = Field(0.0, ge=0)  # that a clip waits for company in its batch; worth it on GPUs
    deadline_s: float = Field(60.0, gt=0)  # of one request, from its last byte to its answer
    drain_s: float = Field(30.0, gt=0)  # that requests at work may take when the service is told to stop
    num_decoders: int = Field(2, ge=1)  # processes
    decoder_memory_mb: int = Field(4096, ge=512)  # of one such process
