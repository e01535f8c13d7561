"""`POST /explain`: which parts of a clip its answer rests on."""

from http import HTTPStatus
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Query
from numpy.typing import NDArray

from export.predictor.answer import Answer
from export.predictor.clips import ClipFacts
from rgbd.clip.spec import ClipSpec, centred_geometry
from serve.batcher import Clips
from serve.clips import decode_clip, received
from serve.errors import ServiceError
from serve.explanation import NUM_CLIPS, explain
from serve.routes.form import Desk, RefusedEarly
from serve.routes.predict import make_timing
from serve.routes.problems import EXPLAIN_PROBLEMS
from serve.schemas import ExplainReply

router = APIRouter(tags=["clips"], route_class=RefusedEarly)


@router.post("/explain", responses=EXPLAIN_PROBLEMS)
async def explain_answer(
    desk: Annotated[Desk, Depends()],
    index: Annotated[int | None, Query(ge=0, description="which class (default: the best one)")] = None,
) -> ExplainReply:
    """Say by how much a class's lead over all others falls when a part of the clip is hidden.

    `regions` divides what the network sees, the `box` of the frame, into rows and columns; `moments` the clip's time.
    It takes 34 runs of the network, one request at a time.
    """
    async with desk.admit(1 + NUM_CLIPS) as (admission, clip), desk.service.turn(admission):
        model = admission.model
        if index is not None and index >= len(model.bundle.manifest.labels):
            detail = f"index {index}: the model has the classes 0 to {len(model.bundle.manifest.labels) - 1}"
            raise ServiceError(HTTPStatus.BAD_REQUEST, "unknown_class", detail)
        decoded = received(await desk.service.decode(decode_clip, ClipFacts, clip))
        (clips,) = decoded.windows(model.streams)
        inferred = await desk.service.infer(admission, clips)
        answer = Answer(model, decoded.facts, [inferred.outputs])

        async def infer(hidden: Clips) -> NDArray[np.float32]:
            return (await desk.service.infer(admission, hidden)).outputs[answer.head]

        chosen = int(answer.scores.argmax()) if index is None else index
        found = await explain(clips, inferred.outputs[answer.head], chosen, infer, model.max_batch)
    return ExplainReply(
        request_id=desk.request.state.request_id,
        model=model.reply,
        label=model.bundle.manifest.labels[chosen],
        index=chosen,
        score=float(answer.scores[chosen]),
        lead=found.lead,
        box=_seen(model.bundle.manifest.clip_spec),
        regions=found.regions.tolist(),
        moments=found.moments.tolist(),
        timing_ms=make_timing(desk.request, decoded.facts, [inferred]),
        warnings=list(answer.warnings),
    )


def _seen(spec: ClipSpec) -> tuple[float, float, float, float]:
    """Return (x0, y0, x1, y1) of what the network sees, as shares of the frame's width and height."""
    (width, height), (x, y) = spec.resize, centred_geometry(spec).crop_xy
    return x / width, y / height, (x + spec.crop[0]) / width, (y + spec.crop[1]) / height
