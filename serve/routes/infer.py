"""`POST /v2/models/{name}/infer`: clips as tensors, for programs that decode and transform themselves."""

import asyncio

import numpy as np
from fastapi import APIRouter, Request, Response

from serve.concurrency.task_group import gather_or_cancel
from serve.open_inference.messages import InferReply
from serve.open_inference.tensors import check_outputs, read_clips, read_request, write_reply
from serve.routes.error_responses import problems
from serve.routes.predict import network_timing
from serve.service import Answering

router = APIRouter(tags=["models"], responses=problems("infer", is_protocol=True))

_HEADER = "Inference-Header-Content-Length"
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/InferRequest"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.post("/v2/models/{name}/infer", openapi_extra=_BODY, response_model=InferReply)
@router.post("/v2/models/{name}/versions/{version}/infer", openapi_extra=_BODY, response_model=InferReply)
async def infer(request: Request, name: str, service: Answering, version: str | None = None) -> Response:
    """Return a model's outputs for clips, uint8 [clips, T, H, W, 3] by stream, as `/v2/models` describes them.

    Follows the Open Inference Protocol v2, JSON or binary tensors. The clips of a request are computed together with
    those of others.
    """
    model = service.models.get(name, version)
    service.admission.check_room()
    body = await request.body()
    async with service.admission.admit(request, model, num_clips=1, at_once=model.max_batch) as admission:
        wanted, binary = await asyncio.to_thread(read_request, body, request.headers.get(_HEADER))
        if wanted.parameters.timeout:
            admission.allow(wanted.parameters.timeout / 1e6)
        clips = await asyncio.to_thread(read_clips, wanted, binary, model)
        names = check_outputs(wanted, model)
        service.admission.expect(admission, len(clips))  # until they were read, one was expected
        inferred = await gather_or_cancel(service.infer(admission, clip) for clip in clips)
    outputs = {name: np.stack([one.outputs[name] for one in inferred]) for name in names}
    content, json_bytes = write_reply(wanted, model, names, outputs)
    service.metrics.count_answer(model.name, network_timing(request, inferred))
    if json_bytes is None:
        return Response(content, media_type="application/json")
    return Response(content, media_type="application/octet-stream", headers={_HEADER: str(json_bytes)})
