"""`POST /preview`: small pictures of an upload, for the page; browsers play neither avi nor 16-bit depth."""

from typing import Annotated

from fastapi import APIRouter, Depends

from serve.routes.clip_form import ClipUpload
from serve.routes.early_refusal import ClipRoute
from serve.routes.error_responses import problems
from serve.schemas import PreviewReply
from serve.uploads.previews import make_previews

router = APIRouter(tags=["clips"], route_class=ClipRoute)


@router.post("/preview", responses=problems("clip"))
async def preview(upload: Annotated[ClipUpload, Depends()]) -> PreviewReply:
    """Show what was understood of the files: a few small frames of each, depth in colours, and which the model sees."""
    async with upload.admit(num_clips=0) as (_, clip):
        previews = await upload.service.decode(make_previews, PreviewReply, clip)
    return previews.facts
