"""What one recording may hold."""

import math
from dataclasses import dataclass

from rgbd.errors import TooLargeError


@dataclass(frozen=True)
class Limits:
    """The most frames of one stream, pixels of one frame, and seconds; none for files of one's own.

    any_container: whether a video may be in any container that FFmpeg knows; some of them name other files to read.
    """

    max_frames: float = math.inf
    max_pixels: float = math.inf
    max_duration_s: float = math.inf
    any_container: bool = True

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


NO_LIMITS = Limits()
