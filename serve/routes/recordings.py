"""`POST /recordings`: a recording that several requests are about is sent once, and named by them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from serve.errors import MissingStreamError
from serve.routes.clip_form import RecordingFiles
from serve.routes.early_refusal import RefusedEarly
from serve.routes.error_responses import problems
from serve.schemas import RecordingReply
from serve.service import Answering, key_name

router = APIRouter(tags=["clips"], route_class=RefusedEarly)


@router.post("/recordings", status_code=201, responses=problems("upload"))
async def keep_recording(
    request: Request, service: Answering, files: Annotated[RecordingFiles, Depends()]
) -> RecordingReply:
    """Keep a recording for further requests, which name it in the field `recording` of their form.

    It is there for `expires_s` seconds from its last use, for the key that sent it alone, and unless newer ones need
    its room. What is in the files is looked at by the requests about them. Colour and depth may also be sent one by
    one: requests about both name both recordings.
    """
    if not files.given:
        raise MissingStreamError("a recording has files; give rgb, depth, or both")
    name = await service.recordings.keep(files.given, key_name(request))
    return RecordingReply(
        request_id=request.state.request_id,
        recording=name,
        streams=list(files.given),
        expires_s=service.recordings.lifetime_s,
    )


@router.delete("/recordings/{recording}", status_code=204, responses=problems("drop"))
async def drop_recording(recording: str, request: Request, service: Answering) -> Response:
    """Forget a recording, once no request is at work on it any more."""
    service.recordings.drop(recording, key_name(request))
    return Response(status_code=204)
