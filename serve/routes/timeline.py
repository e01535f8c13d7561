"""`POST /timeline`: what happens in a long recording, and when."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from export.predictor.decoded_clip import TogetherChoice
from export.predictor.streams.events import EventRules
from export.predictor.streams.formats import as_csv, as_webvtt
from export.predictor.streams.pace import bounded_window
from export.predictor.streams.timeline import Timeline, TimelineRules
from rgbd.clip.rejection import DEFAULT_ACCEPTED
from rgbd.errors import UserError
from serve.errors import MalformedRequestError
from serve.inference.served_model import ServedModel
from serve.live.timelines import timeline_of
from serve.routes.clip_form import ClipUpload
from serve.routes.early_refusal import ClipRoute
from serve.routes.error_responses import Responses, problems
from serve.routes.predict import Accepted, TopK
from serve.schemas import TimelineReply

router = APIRouter(tags=["clips"], route_class=ClipRoute)

Format = Literal["json", "csv", "vtt"]


@dataclass(frozen=True)
class _Text:
    """A form in which events are written, and its media type."""

    media_type: str
    write: Callable[[Timeline], str]


_TEXTS: Mapping[Format, _Text] = {"csv": _Text("text/csv", as_csv), "vtt": _Text("text/vtt", as_webvtt)}
_AS_TEXT: Responses = {200: {"content": {text.media_type: {"schema": {"type": "string"}} for text in _TEXTS.values()}}}


@router.post("/timeline", response_model=TimelineReply, responses=_AS_TEXT | problems("timeline"))
async def timeline(
    upload: Annotated[ClipUpload, Depends()],
    window_s: Annotated[
        float | None,
        Query(gt=0, allow_inf_nan=False, description="how long windows are (default: as the model's training clips)"),
    ] = None,
    top_k: TopK = 5,
    people: Annotated[
        TogetherChoice | None,
        Query(description="whom it is about, where several people are found (default: as for /predict)"),
    ] = None,
    accepted: Accepted = DEFAULT_ACCEPTED,
    format: Annotated[Format, Query(description="all of it as JSON; its events as a table, or as subtitles")] = "json",
) -> Response:
    """Say what happens in a recording, and when: events, and what each of many overlapping windows shows.

    The form is that of `/predict`, and so is what is done to the recording; its times must be known. With the graphs of
    a bundle that was exported with `--live`, each frame is computed once. `format=csv` and `format=vtt` have the events
    alone, as a table or as subtitles (WebVTT).
    """
    service, request = upload.service, upload.request

    def written(model: ServedModel, found: Timeline) -> Response:
        if format in _TEXTS:
            text = _TEXTS[format]
            return Response(text.write(found), media_type=text.media_type)  # with charset=utf-8
        reply = TimelineReply(request_id=request.state.request_id, model=model.reply, **asdict(found))
        return Response(reply.model_dump_json(), media_type="application/json")

    async with upload.admit(0, people=people) as (admission, recording):
        model = admission.model
        rules = TimelineRules(top_k, EventRules(accepted=accepted))
        response = await timeline_of(
            service.places, model, recording, _window_s(model, window_s), rules, lambda found: written(model, found)
        )
    total_ms = (time.perf_counter() - request.state.received_at) * 1000
    service.metrics.count_answer(model.name, {"total": total_ms})
    return response


def _window_s(model: ServedModel, window_s: float | None) -> float:
    """Return how long windows are; raises 400 where nobody knows, or they cannot be so long."""
    try:
        return bounded_window(model, window_s)
    except UserError as error:
        raise MalformedRequestError(str(error)) from error
