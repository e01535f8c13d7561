"""`POST /predict`: which motion a clip shows."""

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from serve.batcher import Inferred
from serve.clips import ClipRequest, DecodedClip, decode_clip
from serve.routes.uploads import DepthFile, MetaField, RgbFile, complete, parse_meta, saved_uploads
from serve.schemas import ClipReply, PredictReply, Problem, Timing
from serve.service import Service, get_service

router = APIRouter(tags=["clips"])

ModelQuery = Annotated[str | None, Query(description="which model, where several are served")]
VersionQuery = Annotated[str | None, Query(description="which version of it (default: the newest)")]

_PROBLEMS = {
    400: "the form is malformed, a stream is missing, or it is not clear which model is asked",
    404: "there is no such model",
    413: "the upload, its frames or their number are too large",
    415: "a file is not of a kind that is read",
    422: "a stream cannot be used; `detail` says which, why, and what would work",
    429: "too many requests; Retry-After says when to come back",
    503: "the service is being stopped, or an answer would come too late; Retry-After says when to come back",
    504: "no answer within the deadline: the service's, or the shorter one of X-Request-Timeout (seconds)",
}


@router.post(
    "/predict", responses={status: {"model": Problem, "description": text} for status, text in _PROBLEMS.items()}
)
async def predict(
    request: Request,
    service: Annotated[Service, Depends(get_service)],
    rgb: RgbFile = None,
    depth: DepthFile = None,
    meta: MetaField = None,
    top_k: Annotated[int, Query(ge=1, description="how many classes to name")] = 5,
    model: ModelQuery = None,
    version: VersionQuery = None,
) -> PredictReply:
    """Name the motion that a clip shows.

    Send the streams that the model needs (see `/v2/models`), cropped around the people as `preprocess` does it: the
    service looks at frames as they come. Both streams are sampled evenly over their whole length, or from `start_s`
    to `end_s`. One Matroska file with a colour and a depth track, sent as `rgb`, stands for both.
    """
    clip_meta, served = parse_meta(meta), service.models.get(model, version)
    async with service.admission(request, served) as deadline, saved_uploads({"rgb": rgb, "depth": depth}) as uploads:
        spec = served.bundle.manifest.clip_spec
        wanted = ClipRequest(complete(uploads, served.streams), clip_meta, service.limits, spec)
        decoded = await service.decode(decode_clip, wanted)
        inferred = await service.infer(served, decoded.clips, deadline)
    timing = _timing(request, decoded, inferred)
    service.metrics.count_answer(served, timing)
    return PredictReply(
        request_id=request.state.request_id,
        model=served.reply,
        predictions=served.rank(inferred.outputs["logits"], top_k),
        streams=served.rank_streams(inferred.outputs, top_k),
        clip=ClipReply(
            rgb_frames=decoded.num_frames.get("rgb"),
            depth_frames=decoded.num_frames.get("depth"),
            sampled=spec.num_frames,
            duration_s=decoded.duration_s,
        ),
        timing_ms=timing,
        warnings=list(decoded.warnings),
    )


def _timing(request: Request, decoded: DecodedClip, inferred: Inferred) -> Timing:
    return Timing(
        decode=round(decoded.decode_ms, 2),
        preprocess=round(decoded.preprocess_ms, 2),
        queue=round(inferred.queue_ms, 2),
        inference=round(inferred.inference_ms, 2),
        total=round((time.perf_counter() - request.state.received_at) * 1000, 2),
    )
