"""`POST /preview`: small pictures of an upload, for the page; browsers play neither avi nor 16-bit depth."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from serve.clips import ClipRequest, make_previews
from serve.errors import ServiceError
from serve.routes.predict import ModelQuery, VersionQuery
from serve.routes.uploads import DepthFile, MetaField, RgbFile, parse_meta, saved_uploads
from serve.schemas import PreviewReply
from serve.service import Service, get_service

router = APIRouter(tags=["clips"])


@router.post("/preview")
async def preview(
    request: Request,
    service: Annotated[Service, Depends(get_service)],
    rgb: RgbFile = None,
    depth: DepthFile = None,
    meta: MetaField = None,
    model: ModelQuery = None,
    version: VersionQuery = None,
) -> PreviewReply:
    """Show what was understood of the files: a few small frames of each, depth in colours."""
    clip_meta = parse_meta(meta)
    served = service.models.get(model, version)
    async with service.admission(request, served), saved_uploads({"rgb": rgb, "depth": depth}) as uploads:
        if not uploads:
            raise ServiceError(HTTPStatus.BAD_REQUEST, "missing_stream", "send rgb or depth, or both, as files")
        spec = served.bundle.manifest.clip_spec
        previews = await service.decode(make_previews, ClipRequest(uploads, clip_meta, service.limits, spec))
    return PreviewReply(**previews)
