"""How a stream is sampled: how long windows are, and how often there is one."""

from dataclasses import dataclass

from export.predictor.model import Model
from rgbd.errors import UserError

WINDOWS_OVERLAP = 8
"""How many windows show each moment, as far as a clip has frames."""

_LEAST_INTERVAL_S, _LONGEST_WINDOW_S = 0.001, 600.0


@dataclass(frozen=True)
class Pace:
    """In seconds: how long a window is, from one sampled frame to the next, and from one window to the next.

    every: the same in sampled frames.
    """

    window_s: float
    interval_s: float
    every: int

    @property
    def step_s(self) -> float:
        """From one window to the next."""
        return self.every * self.interval_s


def window_of(model: Model, window_s: float | None) -> float:
    """Return how long a window is: as asked, or as the clips are that the model was trained on.

    Raises `UserError` where nobody knows.
    """
    window_s = window_s or model.bundle.manifest.clip_s
    if window_s is None:
        raise UserError("the bundle does not say how long the clips are that it was trained on; give window_s")
    return window_s


def bounded_window(model: Model, window_s: float | None) -> float:
    """Return the same for a service, which samples no more than a thousand frames a second.

    Raises `UserError`, too, where a window would be shorter than that allows, or is far too long.
    """
    window_s, num_frames = window_of(model, window_s), model.bundle.manifest.clip_spec.num_frames
    least_s = _LEAST_INTERVAL_S * num_frames
    if not least_s <= window_s <= _LONGEST_WINDOW_S:
        raise UserError(f"window_s {window_s:g}: give at least {least_s:g} and at most {_LONGEST_WINDOW_S:g} seconds")
    return window_s


def live_pace(model: Model, window_s: float | None, every: int | None) -> Pace:
    """Return the pace of a live stream, whose windows begin every so many sampled frames.

    Raises `UserError` where that makes no sense.
    """
    window_s, num_frames = bounded_window(model, window_s), model.bundle.manifest.clip_spec.num_frames
    every = every or default_every(num_frames)
    if not 1 <= every <= num_frames:
        raise UserError(
            f"every {every}: give 1 to {num_frames} sampled frames, as many as a window has, or leave it out"
        )
    return Pace(window_s, window_s / num_frames, every)


def default_pace(num_frames: int, interval_s: float) -> Pace:
    """Return how windows of so many sampled frames follow each other where nobody asks for anything else."""
    return Pace(num_frames * interval_s, interval_s, default_every(num_frames))


def default_every(num_frames: int) -> int:
    """Return every how many sampled frames a window of so many begins."""
    return max(1, num_frames // WINDOWS_OVERLAP)
