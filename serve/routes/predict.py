"""`POST /predict`: which motion a clip shows."""

import time
from dataclasses import asdict
from itertools import chain, islice
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from export.predictor.answer import Answer
from export.predictor.decoded_clip import ClipFacts, PeopleChoice
from export.predictor.raw_source import most_subjects
from rgbd.clip.rejection import DEFAULT_ACCEPTED, LEAST_ACCEPTED, MOST_ACCEPTED
from serve.concurrency.task_group import gather_or_cancel
from serve.inference.batching import Inferred
from serve.routes.clip_form import ClipUpload
from serve.routes.early_refusal import ClipRoute
from serve.routes.error_responses import problems
from serve.schemas import PredictReply, Timing
from serve.uploads.clip_decoding import decode_clip, received

router = APIRouter(tags=["clips"], route_class=ClipRoute)

TopK = Annotated[int, Query(ge=1, description="how many classes to name")]
Accepted = Annotated[
    float,
    Query(
        ge=LEAST_ACCEPTED,
        le=MOST_ACCEPTED,
        description="the share of clips of known motions that are to be taken for known; what looks less familiar than "
        "the rest of them is unknown",
    ),
]
_MAX_WINDOWS = 16


@router.post("/predict", responses=problems("clip"))
async def predict(
    upload: Annotated[ClipUpload, Depends()],
    top_k: TopK = 5,
    windows: Annotated[
        int, Query(ge=1, le=_MAX_WINDOWS, description="equal parts that are looked at one by one, for long clips")
    ] = 1,
    people: Annotated[
        PeopleChoice | None,
        Query(
            description="whom the answer is about where several people are found: the one of whom most is seen, all "
            "together, or each (default: all where the model knows motions of two people, else the largest)"
        ),
    ] = None,
    accepted: Accepted = DEFAULT_ACCEPTED,
) -> PredictReply:
    """Name the motion that a clip shows.

    Send the streams that the model needs (see `/v2/models`) as the camera wrote them, or prepared as `preprocess` does
    it; `clip.preparation` says what was done. Frames are sampled evenly in time, over what both streams show, or from
    `start_s` to `end_s`. One video with a colour and a depth track, sent as `rgb`, stands for both. With `windows`, the
    answer is the mean over the parts, and each part's own answer is there, too; with `people=each`, each person's.

    Where `known` is false, the motion is none that the model has learnt, and its best class is only what comes nearest.
    """
    async with upload.admit(windows * most_subjects(people), windows, people) as (admission, clip):
        model = admission.model
        decoded = received(await upload.service.decode(decode_clip, ClipFacts, clip))
        subjects = decoded.subjects(model.streams)
        admission.num_clips = len(subjects) * windows
        inferred = await gather_or_cancel(upload.service.infer(admission, clips) for clips in chain(*subjects))
    outputs = iter([one.outputs for one in inferred])
    answer = Answer(model, decoded.facts, [list(islice(outputs, windows)) for _ in subjects], accepted)
    timing = make_timing(upload.request, decoded.facts, inferred)
    upload.service.metrics.count_answer(model.name, timing.model_dump())
    return PredictReply(
        request_id=upload.request.state.request_id,
        model=model.reply,
        timing_ms=timing,
        **asdict(answer.prediction(top_k)),
    )


def make_timing(request: Request, decoded: ClipFacts, inferred: list[Inferred]) -> Timing:
    """Return where the time of a request went."""
    decode, transform = round(decoded.decode_ms, 2), round(decoded.transform_ms, 2)
    return Timing(decode=decode, preprocess=transform, **network_timing(request, inferred))


def network_timing(request: Request, inferred: list[Inferred]) -> dict[str, float]:
    """Return the stages that all answers have; of several runs of the network, the last one's waiting counts."""
    return {
        "queue": round(max(one.queue_ms for one in inferred), 2),
        "inference": round(max(one.inference_ms for one in inferred), 2),
        "total": round((time.perf_counter() - request.state.received_at) * 1000, 2),
    }
