"""The time line of a whole recording that was uploaded: read in a process, and looked at in a thread."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from export.predictor.clip_request import ClipRequest
from export.predictor.streams.timeline import Timeline, TimelineRules, make_timeline
from rgbd.errors import MediaError
from serve.concurrency.threads import in_thread
from serve.inference.served_model import ServedModel
from serve.live.places import Places
from serve.live.recording_process import read_in
from serve.uploads.media_errors import refusal_of

Result = TypeVar("Result")

_LOAD = 0.0  # it need not keep up with anything


async def timeline_of(
    places: Places,
    model: ServedModel,
    request: ClipRequest,
    window_s: float,
    rules: TimelineRules,
    written: Callable[[Timeline], Result],
) -> Result:
    """Return what `written` makes of a recording's time line; cancelled, it ends soon.

    Raises 429 where no place is free, what is wrong with the recording as a `ServiceError`, and such a one where its
    process dies.
    """
    with places.take(_LOAD) as process:

        def work() -> Result:
            read = read_in(process, request, window_s)
            return written(make_timeline(model, model.slider, rules, read))

        try:
            return await in_thread("timeline", work)
        except MediaError as error:
            raise refusal_of(error) from error
        except asyncio.CancelledError:
            process.kill()  # the thread, which may be computing, hears of it when it reads on
            raise
