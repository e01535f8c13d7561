"""A camera's sampled frames -> what the network takes: prepared, and made one by one."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

from export.predictor.clip_reading import unlike_training
from export.predictor.clip_request import ClipRequest, RecordingMeta
from export.predictor.decoded_clip import LiveChoice
from export.predictor.model import Model
from export.predictor.streams.first_look import View, look
from export.predictor.streams.sliding import Frames
from export.predictor.streams.stretch import Stretch
from export.predictor.streams.timed_sampling import Item, Sampled, TimedSampler
from rgbd.clip.appearance import look_of
from rgbd.clip.build import check_kind
from rgbd.errors import UserError
from rgbd.recording.limits import Limits
from rgbd.types import Box, Frame, Stream, in_order

_LOOK_BYTES = 128 << 20  # of frames by which people are found
_PATIENCE_S = 0.5  # for the other stream's frame, and for a person to come back into the box
_SAME_BOX = 0.8  # as much, of both together, two boxes share that are one


def live_request(model: Model, meta: RecordingMeta, limits: Limits, people: LiveChoice | int | None) -> ClipRequest:
    """Return what is asked of a live stream, as of a recording without files; people: whom it is about.

    Raises `UserError` for a person of no number.
    """
    if isinstance(people, int) and people < 1:
        raise UserError(f"people {people}: give a number from 1 on, 1 being the largest")
    request = model.request((), meta, limits, people=None if people == "whole" else people)
    if people != "whole" or request.preparation is None:
        return request
    return replace(request, preparation=request.preparation.model_copy(update={"masks": "none", "roi": "whole"}))


def live_sampler(streams: Collection[Stream], interval_s: float) -> TimedSampler[Item]:
    """Return what samples a live stream: one moment every `interval_s`."""
    return TimedSampler(in_order(streams), interval_s, max(_PATIENCE_S, 2 * interval_s))


@dataclass(frozen=True, eq=False)
class Portion:
    """What goes on: frames that follow the last ones, uint8 [n, H, W, 3] of the streams that there are.

    view: what is looked at from here on, where a new stretch begins; no window reaches over its border.
    """

    frames: Frames = field(default_factory=dict)
    view: View | None = None


class LiveFrames:
    """Makes what the network takes, as a clip's frames are made; nothing looks ahead.

    People are found in the first frames, as many as a clip has (fewer where they take more than 128 MiB), by the code
    that prepares recordings; until then nothing goes on. What was found then, background, box and person, holds for the
    frames after. Where the person is not mostly inside the box for half a second, they are looked for anew, in the last
    frames, but no sooner than when all of those are new. Where they are elsewhere, or gone, or frames have another
    size, or a stream has paused, a new stretch begins.
    """

    def __init__(self, request: ClipRequest, streams: Collection[Stream], interval_s: float) -> None:
        """Take frames of these streams, sampled every `interval_s`; of the request, no files are read."""
        self._request = request
        self._given = tuple(stream for stream in request.streams if stream in streams)
        self._unit_mm = request.meta.depth_scale_mm or 1.0
        self._num_patient = max(1, round(_PATIENCE_S / interval_s))
        self._recent: list[Sampled[Frame]] = []
        self._stretch: Stretch | None = None
        self._num_since_look = 0

    def take(self, sampled: Sampled[Frame]) -> Iterator[Portion]:
        """Yield what goes on now that frames stand for another moment, uint8 RGB [H, W, 3] or uint16 [H, W].

        Raises `MediaError` for a frame of another kind than the network was trained on.
        """
        for stream, frame in sampled.frames.items():
            check_kind(stream, self._request.spec, is_measured=frame.ndim == 2)
        if sampled.begins or (self._recent and _sizes(sampled) != _sizes(self._recent[-1])):
            yield from self._end_stretch()
            self._recent = []
        self._recent.append(sampled)
        num_looked_at = self._num_looked_at()
        if self._stretch is None:
            if len(self._recent) >= num_looked_at:
                yield from self._begin()
            return
        del self._recent[:-num_looked_at]
        yield Portion(self._stretch.go_on([self._stretch.kept(sampled)]))
        self._num_since_look += 1
        if self._stretch.num_outside >= self._num_patient and self._num_since_look >= num_looked_at:
            yield from self._look_again()

    def end(self) -> Iterator[Portion]:
        """Yield what waited for frames which do not come."""
        if self._stretch is None and self._recent:
            yield from self._begin()
        yield from self._end_stretch()

    def _num_looked_at(self) -> int:
        """Return in how many frames people are looked for."""
        num_bytes = sum(frame.nbytes for frame in self._recent[-1].frames.values())
        return max(1, min(self._request.spec.num_frames, _LOOK_BYTES // num_bytes))

    def _begin(self) -> Iterator[Portion]:
        """Begin a stretch with the last frames; where nobody is in them, wait for somebody."""
        view, ongoing = look(self._recent, self._request, self._unit_mm)
        if view.is_waiting:
            yield Portion(view=view)
            del self._recent[: (len(self._recent) + 1) // 2]
            return
        self._stretch, self._num_since_look = Stretch(self._request, ongoing, self._given, self._unit_mm), 0
        kept = [self._stretch.kept(sampled) for sampled in self._recent]
        odd = unlike_training(
            {stream: [look_of([frames[stream] for frames in kept], stream)] for stream in self._given},
            self._request.trained_on,
            can_prepare=self._request.preparation is not None,
        )
        yield Portion(self._stretch.go_on(kept), replace(view, warnings=(*view.warnings, *odd)))

    def _look_again(self) -> Iterator[Portion]:
        """Look for people in the last frames; where they are elsewhere, or gone, the stretch ends."""
        assert self._stretch is not None
        _, ongoing = look(self._recent, self._request, self._unit_mm)
        self._num_since_look = 0
        if ongoing is not None and _shared(ongoing.box_px, self._stretch.box_px) >= _SAME_BOX:
            return
        yield from self._end_stretch()
        del self._recent[: -self._num_patient]  # before those they were elsewhere

    def _end_stretch(self) -> Iterator[Portion]:
        if self._stretch is not None:
            yield Portion(self._stretch.end())
        self._stretch = None


def _sizes(sampled: Sampled[Frame]) -> dict[Stream, tuple[int, ...]]:
    return {stream: frame.shape for stream, frame in sampled.frames.items()}


def _shared(first: Box | None, second: Box | None) -> float:
    """Return which share of what two boxes cover together they share; 1 for none and none."""
    if first is None or second is None:
        return float(first == second)
    x0, y0, x1, y1 = (*map(max, first[:2], second[:2]), *map(min, first[2:], second[2:]))
    both = max(0, x1 - x0) * max(0, y1 - y0)
    return both / (_area(first) + _area(second) - both)


def _area(box: Box) -> int:
    x0, y0, x1, y1 = box
    return (x1 - x0) * (y1 - y0)
