"""Is it alive, is it ready, what does it serve (the paths of the Open Inference Protocol), and how does it do."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from serve.errors import ServiceError
from serve.schemas import ModelDetails, ModelList
from serve.service import Service, get_service

router = APIRouter(tags=["about the service"])


@router.get("/v2/health/live")
def live() -> dict[str, bool]:
    """Answer as long as the process works."""
    return {"live": True}


@router.get("/v2/health/ready")
def ready(service: Annotated[Service, Depends(get_service)]) -> dict[str, bool]:
    """Answer 200 while clips are taken: not any more when the service is being stopped."""
    service.check_ready()
    return {"ready": True}


@router.get("/v2/models")
def list_models(service: Annotated[Service, Depends(get_service)]) -> ModelList:
    """List what is served."""
    return ModelList(models=[service.model.reply()])


@router.get("/v2/models/{name}")
def describe_model(name: str, service: Annotated[Service, Depends(get_service)]) -> ModelDetails:
    """Describe a model: its labels, its inputs, how clips are made for it, and what it really runs on."""
    served = service.model.bundle.manifest.name
    if name != served:
        raise ServiceError(HTTPStatus.NOT_FOUND, "unknown_model", f"there is no model {name!r}; this is {served!r}")
    return service.model.details()


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(service: Annotated[Service, Depends(get_service)]) -> Response:
    """Tell Prometheus what happened so far."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
