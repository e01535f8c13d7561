"""Frames of a live stream that are looked at in one way: the same box, the same person, the same background."""

from collections.abc import Sequence

from export.predictor.clip_request import ClipRequest
from export.predictor.streams.sliding import Frames
from export.predictor.streams.timed_sampling import Sampled
from rgbd.clip.ongoing import OngoingPreparation
from rgbd.clip.running import InStep, RunningClip
from rgbd.recording.depth import frame_in_millimetres
from rgbd.types import Box, Frame, Stream


class Stretch:
    """Makes what the network takes of one moment after another.

    ongoing: how frames are prepared; None: they were before. given: the streams that the model looks at.
    """

    def __init__(
        self, request: ClipRequest, ongoing: OngoingPreparation | None, given: Sequence[Stream], unit_mm: float
    ) -> None:
        self._ongoing, self._given, self._unit_mm = ongoing, given, unit_mm
        self._clips = {stream: RunningClip(stream, request.spec) for stream in given}
        self._together = InStep()

    @property
    def box_px(self) -> Box | None:
        """What is cut out of every frame; None where nothing is."""
        return None if self._ongoing is None else self._ongoing.box_px

    @property
    def num_outside(self) -> int:
        """In how many of the last moments the people were not mostly inside the box, or not seen."""
        return 0 if self._ongoing is None else self._ongoing.num_outside

    def kept(self, sampled: Sampled[Frame]) -> dict[Stream, Frame]:
        """Return what is kept of a moment's frames, uint8 RGB [H, W, 3] or uint16 millimetres [H, W]."""
        frames = {stream: frame_in_millimetres(frame, self._unit_mm) for stream, frame in sampled.frames.items()}
        return frames if self._ongoing is None else self._ongoing.keep(frames)

    def go_on(self, kept: Sequence[dict[Stream, Frame]]) -> Frames:
        """Return what can go on to the network, uint8 [n, H, W, 3], now that this was kept of moments."""
        made = {stream: self._clips[stream].add([frames[stream] for frames in kept]) for stream in self._given}
        return self._together.add(made)

    def end(self) -> Frames:
        """Return what waited for frames that do not come."""
        return self._together.add({stream: clip.add([], is_end=True) for stream, clip in self._clips.items()})
