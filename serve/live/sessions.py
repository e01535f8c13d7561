"""The live streams that are open, and what each says."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from export.predictor.clip_request import RecordingMeta
from export.predictor.opened_files import check_complete
from export.predictor.streams.events import EventRules
from export.predictor.streams.live_frames import live_request, live_sampler
from export.predictor.streams.pace import Pace, live_pace
from export.predictor.streams.session import LiveAnswers, Said
from export.predictor.streams.timed_sampling import Sampled, TimedSampler
from rgbd.errors import MediaError, MissingStreamError, UserError
from rgbd.recording.limits import Limits
from rgbd.types import Size, Stream, in_order
from serve.concurrency.threads import in_thread
from serve.errors import MalformedRequestError, TooLargeError
from serve.inference.served_model import ServedModel
from serve.live.frame_process import FrameProcess, Opening
from serve.live.messages import Hello, PackedFrame
from serve.live.places import Places
from serve.uploads.media_errors import refusal_of

_MOST_BYTES = 256 << 20  # of a session's frames that wait


class Session:
    """One live stream."""

    def __init__(
        self, model: ServedModel, sampler: TimedSampler[PackedFrame], process: FrameProcess, answers: LiveAnswers
    ) -> None:
        self.model = model
        self._sampler, self._process, self._answers = sampler, process, answers

    @property
    def pace(self) -> Pace:
        """How it is sampled."""
        return self._answers.pace

    @property
    def lag_s(self) -> float:
        """By how much later than a window's last frame its answer comes at the soonest."""
        live = self.model.live
        return self.pace.interval_s * (0 if live is None else live.steps.lag)

    @property
    def num_waiting(self) -> int:
        """Frames that were added, and of which it is not known yet what becomes of them."""
        return len(self._sampler.waiting)

    @property
    def num_unpaired(self) -> int:
        """Frames that have waited in vain for those of the other stream."""
        return self._sampler.num_unpaired

    async def add(self, packed: Sequence[PackedFrame]) -> list[Said]:
        """Return what is known now that these frames have come; what is wrong with them becomes a `ServiceError`."""
        with _refused():
            moments = [moment for item in packed for moment in self._sampler.add(item.stream, item.time_us / 1e6, item)]
            if sum(len(item.payload) for item in self._sampler.waiting) > _MOST_BYTES:
                raise TooLargeError(
                    f"the frames that wait for their moment, or for those of the other stream, take more than "
                    f"{_MOST_BYTES >> 20} MiB; send smaller ones, or ask for a shorter window_s"
                )
            return await in_thread("live stream", self._taken, moments) if moments else []

    async def end(self) -> list[Said]:
        """Return what waited for frames that do not come; raises as `add`."""
        with _refused():
            return await in_thread("live stream", self._ended, list(self._sampler.end()))

    def _taken(self, moments: Sequence[Sampled[PackedFrame]]) -> list[Said]:
        return [said for portion in self._process.take(moments) for said in self._answers.take(portion)]

    def _ended(self, moments: Sequence[Sampled[PackedFrame]]) -> list[Said]:
        said = self._taken(moments)
        said += [item for portion in self._process.end() for item in self._answers.take(portion)]
        return [*said, *self._answers.end()]


@contextmanager
def _refused() -> Iterator[None]:
    """Raise what is wrong with frames as the `ServiceError` that refuses them."""
    try:
        yield
    except MediaError as error:
        raise refusal_of(error) from error


class LiveSessions:
    """Opens live streams, as far as there are places."""

    def __init__(self, places: Places, limits: Limits) -> None:
        self._places, self._limits = places, limits

    @asynccontextmanager
    async def open(self, hello: Hello, model: ServedModel) -> AsyncIterator[Session]:
        """Open a live stream for the length of the block; raises 400, 413 or 429."""
        sizes = {stream: hello.streams[stream].size for stream in in_order(hello.streams)}
        opening, pace, rules = self._asked(hello, model, sizes)
        with self._places.take(model.live_frame_s / pace.interval_s) as process:
            frames = FrameProcess(process)
            await in_thread("live stream", frames.start, opening)
            answers = LiveAnswers(model, model.slider, sizes, pace, rules, hello.top_k)
            yield Session(model, live_sampler(sizes, pace.interval_s), frames, answers)

    def _asked(self, hello: Hello, model: ServedModel, sizes: dict[Stream, Size]) -> tuple[Opening, Pace, EventRules]:
        try:
            for size in sizes.values():
                self._limits.check_pixels(*size)
            meta = RecordingMeta(
                hello.depth_scale_mm,
                prepared=hello.prepared,
                camera=hello.camera,
                intrinsics=None if hello.intrinsics is None else hello.intrinsics.model_dump(exclude_none=True),
            )
            request = live_request(model, meta, self._limits, hello.people)
            check_complete(sizes, request)
            pace = live_pace(model, hello.window_s, hello.every)
            rules = EventRules(hello.begin, hello.keep, hello.smoothing, hello.accepted)
        except MissingStreamError as error:
            raise MalformedRequestError(f"streams: {error}") from error
        except MediaError as error:
            raise TooLargeError(f"streams: {error}") from error
        except UserError as error:
            raise MalformedRequestError(str(error)) from error
        return Opening(request, sizes, pace.interval_s), pace, rules
