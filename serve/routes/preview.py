"""`POST /preview`: small pictures of an upload, for the page; browsers play neither avi nor 16-bit depth."""

from typing import Annotated

from fastapi import APIRouter, Depends

from serve.previews import make_previews
from serve.routes.form import Desk, RefusedEarly
from serve.routes.problems import CLIP_PROBLEMS
from serve.schemas import PreviewReply

router = APIRouter(tags=["clips"], route_class=RefusedEarly)


@router.post("/preview", responses=CLIP_PROBLEMS)
async def preview(desk: Annotated[Desk, Depends()]) -> PreviewReply:
    """Show what was understood of the files: a few small frames of each, depth in colours, and which the model sees."""
    async with desk.admit(num_clips=0) as (_, clip):
        previews = await desk.service.decode(make_previews, PreviewReply, clip)
    return previews.facts
