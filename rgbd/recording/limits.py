"""What one recording may hold."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rgbd.errors import DamagedError, TooLargeError

OnDamage = Literal["refuse", "report", "skip"]
"""What becomes of a recording that was cut or damaged.

refuse: reading it raises `DamagedError`. report: what is wrong stands in `StreamReader.damage`; only a frame that can
not be decoded at all raises. skip: such frames are left out, too.
"""


@dataclass(frozen=True)
class Limits:
    """The most frames of one stream, pixels of one frame, and seconds; none for files of one's own.

    any_container: whether a video may be in any container that FFmpeg knows; some of them name other files to read.
    on_damage: what becomes of a recording that was cut or damaged.
    """

    max_frames: float = math.inf
    max_pixels: float = math.inf
    max_duration_s: float = math.inf
    any_container: bool = True
    on_damage: OnDamage = "refuse"

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

    def check_damage(self, name: str, damage: Sequence[str]) -> None:
        """Raise `DamagedError` for a recording of which something, said in words, is missing or broken."""
        if damage and self.on_damage == "refuse":
            raise DamagedError(f"{name}: {'; '.join(damage)}; copy it again")


NO_LIMITS = Limits()
