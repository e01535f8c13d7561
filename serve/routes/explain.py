"""`POST /explain`: which parts of a clip its answer rests on."""

from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Depends, Query
from numpy.typing import NDArray

from export.predictor.answer import Answer
from export.predictor.decoded_clip import ClipFacts
from serve.errors import MalformedRequestError, UnknownClassError
from serve.inference.batching import Clips
from serve.inference.explanation import NUM_CLIPS, explain
from serve.routes.clip_form import ClipUpload
from serve.routes.early_refusal import ClipRoute
from serve.routes.error_responses import problems
from serve.routes.predict import make_timing
from serve.schemas import ExplainReply
from serve.uploads.clip_decoding import decode_clip, received

router = APIRouter(tags=["clips"], route_class=ClipRoute)


@router.post("/explain", responses=problems("explain"))
async def explain_answer(
    upload: Annotated[ClipUpload, Depends()],
    index: Annotated[int | None, Query(ge=0, description="which class (default: the best one)")] = None,
    people: Annotated[
        Literal["largest", "all"] | None,
        Query(description="whose answer it is, where several people are found (default: as for /predict)"),
    ] = None,
    person: Annotated[
        int | None, Query(ge=1, description="one of them, by the number that /predict?people=each gives them")
    ] = None,
) -> ExplainReply:
    """Say by how much a class's lead over all others falls when a part of the clip is hidden.

    `regions` divides what the network sees, the `box` of the frame, into rows and columns; `moments` the clip's time.
    It takes 34 runs of the network, one request at a time.
    """
    if people is not None and person is not None:
        raise MalformedRequestError(f"person: was given together with people={people}; give one or the other")
    admitted = upload.admit(1 + NUM_CLIPS, people=people if person is None else person)
    async with admitted as (admission, clip), upload.service.admission.turn(admission):
        model = admission.model
        if index is not None and index >= len(model.bundle.manifest.labels):
            detail = f"index {index}: the model has the classes 0 to {len(model.bundle.manifest.labels) - 1}"
            raise UnknownClassError(detail)
        decoded = received(await upload.service.decode(decode_clip, ClipFacts, clip))
        ((clips,),) = decoded.subjects(model.streams)
        inferred = await upload.service.infer(admission, clips)
        answer = Answer(model, decoded.facts, [[inferred.outputs]])

        async def infer(hidden: Clips) -> NDArray[np.float32]:
            return (await upload.service.infer(admission, hidden)).outputs[answer.head]

        chosen = int(answer.scores.argmax()) if index is None else index
        found = await explain(clips, inferred.outputs[answer.head], chosen, infer, model.max_batch)
    return ExplainReply(
        request_id=upload.request.state.request_id,
        model=model.reply,
        label=model.bundle.manifest.labels[chosen],
        index=chosen,
        score=float(answer.scores[chosen]),
        person=decoded.facts.subjects[0].person,
        lead=found.lead,
        box=model.bundle.manifest.clip_spec.seen,
        regions=found.regions.tolist(),
        moments=found.moments.tolist(),
        timing_ms=make_timing(upload.request, decoded.facts, [inferred]),
        warnings=list(answer.warnings),
    )
