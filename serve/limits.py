"""What one uploaded stream may hold, and what may be wrong with it."""

from dataclasses import dataclass

from rgbd.errors import MediaError


class UnknownContainerError(MediaError):
    """An upload is none of the containers that the service reads."""


class TooLargeError(MediaError):
    """An upload has more frames, or larger ones, than the service takes."""


class MissingStreamError(MediaError):
    """The model needs a stream that was not sent."""


@dataclass(frozen=True)
class Limits:
    """The most frames of one stream, pixels of one frame, and seconds."""

    max_frames: int
    max_pixels: int
    max_duration_s: float

    def check_frames(self, num_frames: int) -> None:
        """Raise `TooLargeError` for too many frames."""
        if num_frames > self.max_frames:
            raise TooLargeError(f"has more than {self.max_frames} frames; cut out the motion, or set max_frames")

    def check_duration(self, seconds: float) -> None:
        """Raise `TooLargeError` for a recording that goes on for too long."""
        if seconds > self.max_duration_s:
            raise TooLargeError(
                f"lasts {seconds:.0f} s; the service takes {self.max_duration_s:g} s; cut out the motion, or set "
                "max_duration_s"
            )

    def check_pixels(self, width: int, height: int) -> None:
        """Raise `TooLargeError` for frames that are too large."""
        if width * height > self.max_pixels:
            raise TooLargeError(
                f"has frames of {width}x{height}; the service takes {self.max_pixels} pixels; scale them down"
            )
