"""What a model says of a recording."""

from dataclasses import dataclass

from rgbd.clip.alignment import AlignedBy
from rgbd.types import Stream


@dataclass(frozen=True)
class Score:
    """One class with its probability in [0, 1]; those of all classes add up to 1.

    index: its place among the model's labels.
    """

    label: str
    index: int
    score: float


@dataclass(frozen=True)
class Clip:
    """What was understood of the recording.

    rgb_frames, depth_frames: how many frames of each stream lie between `start_s` and `end_s`; None for a stream that
    was not given. sampled: how many of each the network looks at. duration_s: seconds, None where no times are known.
    aligned_by: how the frames of two streams were brought together: by "time", or by "index" where a stream knows no
    times.
    """

    rgb_frames: int | None
    depth_frames: int | None
    sampled: int
    duration_s: float | None
    aligned_by: AlignedBy


@dataclass(frozen=True)
class Window:
    """What one part of the recording shows, best class first.

    start, end: in seconds from where the recording begins; numbers of frames where no times are known.
    """

    start: float
    end: float
    predictions: tuple[Score, ...]


@dataclass(frozen=True)
class Prediction:
    """The answer to one recording.

    predictions: the best classes, best first; of several windows the mean. streams: the same by the head of each stream
    that was given; empty for a model of one stream. windows: the answers to the parts, where several were asked for.
    clip: what was understood of the recording. warnings: sentences about what should be looked at.
    """

    predictions: tuple[Score, ...]
    streams: dict[Stream, tuple[Score, ...]]
    windows: tuple[Window, ...]
    clip: Clip
    warnings: tuple[str, ...]
