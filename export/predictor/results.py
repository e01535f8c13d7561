"""What a model says of a recording."""

from dataclasses import dataclass

from export.predictor.decoded_clip import DecidedBy
from rgbd.camera.registration import RegistrationSource
from rgbd.clip.alignment import AlignedBy
from rgbd.people.masked_depth import MaskSource
from rgbd.types import Box, Size, Stream


@dataclass(frozen=True)
class Score:
    """One class with its probability in [0, 1]; those of all classes add up to 1.

    index: its place among the model's labels.
    """

    label: str
    index: int
    score: float


@dataclass(frozen=True)
class PreparedClip:
    """What was done to a recording before the clip was cut from it.

    was_prepared: whether it came prepared as the training clips were, so that nothing was done. decided_by: what told
    that: the request ("meta"), the "bundle", which can do nothing else, the "format" of a file, or the "looks" of its
    frames. frame_size: (width,
    height) of the frames that boxes are of. person: whom the answer is about, 1 being the largest; None: all that is
    there. box_px: what was cut out of every frame, (x0, y0, x1, y1), half-open; None where that changes, or nothing was
    cut. mask_coverage: the share of the sampled depth frames that masks keep; None where nothing was masked.
    registration: what laid depth over colour. masks: where the people were found. depth_camera: by whose field of view.
    num_people: how many were found; None where nobody was looked for.
    """

    was_prepared: bool
    decided_by: DecidedBy
    frame_size: Size
    person: int | None
    box_px: Box | None
    mask_coverage: float | None
    registration: RegistrationSource | None
    masks: MaskSource | None
    depth_camera: str | None
    num_people: int | None


@dataclass(frozen=True)
class Clip:
    """What was understood of the recording.

    rgb_frames, depth_frames: how many frames of each stream lie between `start_s` and `end_s`; None for a stream that
    was not given. sampled: how many of each the network looks at. duration_s: seconds, None where no times are known.
    aligned_by: how the frames of two streams were brought together: by "time", or by "index" where a stream knows no
    times. preparation: what was done to it.
    """

    rgb_frames: int | None
    depth_frames: int | None
    sampled: int
    duration_s: float | None
    aligned_by: AlignedBy
    preparation: PreparedClip


@dataclass(frozen=True)
class Named:
    """What a motion is named, and whether it is one that the network has learnt.

    predictions: the best classes, best first. confidence: the share, in [0, 1], of clips of motions that it has learnt
    that look less familiar to it; they are not those it learnt from. known: whether that is enough, and the best class
    is not that of recordings in which nothing of interest happens. Both are None where the bundle does not say what is
    familiar.
    """

    predictions: tuple[Score, ...]
    known: bool | None
    confidence: float | None


@dataclass(frozen=True)
class Person(Named):
    """What one of several people does.

    person: a number, 1 for whom most is seen of. box_px: what was cut out for them, as `PreparedClip` says.
    """

    person: int
    box_px: Box | None


@dataclass(frozen=True)
class Window(Named):
    """What one part of the recording shows.

    start, end: in seconds from where the recording begins; numbers of frames where no times are known.
    """

    start: float
    end: float


@dataclass(frozen=True)
class Prediction(Named):
    """The answer to one recording; of several windows the mean.

    streams: the best classes by the head of each stream
    that was given; empty for a model of one stream. windows: the answers to the parts, where several were asked for.
    people: the answers about each person, where those were asked for. clip: what was understood of the recording.
    warnings: sentences about what should be looked at.
    """

    streams: dict[Stream, tuple[Score, ...]]
    windows: tuple[Window, ...]
    people: tuple[Person, ...]
    clip: Clip
    warnings: tuple[str, ...]
