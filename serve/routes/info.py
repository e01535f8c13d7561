"""Is it alive, is it ready, what does it serve: the paths of the Open Inference Protocol."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends

from serve.errors import ServiceError
from serve.schemas import ModelDetails, ModelList
from serve.service import Service, get_service

router = APIRouter(prefix="/v2", tags=["about the service"])


@router.get("/health/live")
def live() -> dict[str, bool]:
    """Answer as long as the process works."""
    return {"live": True}


@router.get("/health/ready")
def ready(service: Annotated[Service, Depends(get_service)]) -> dict[str, bool]:
    """Answer 200 while clips are taken: not any more when the service is being stopped."""
    service.check_ready()
    return {"ready": True}


@router.get("/models")
def list_models(service: Annotated[Service, Depends(get_service)]) -> ModelList:
    """List what is served."""
    return ModelList(models=[service.model.reply()])


@router.get("/models/{name}")
def describe_model(name: str, service: Annotated[Service, Depends(get_service)]) -> ModelDetails:
    """Describe a model: its labels, its inputs, how clips are made for it, and what it really runs on."""
    served = service.model.bundle.manifest.name
    if name != served:
        raise ServiceError(HTTPStatus.NOT_FOUND, "unknown_model", f"there is no model {name!r}; this is {served!r}")
    return service.model.details()
