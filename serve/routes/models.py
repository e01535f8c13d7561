"""Which models are served, and all about each: the paths of the Open Inference Protocol."""

from typing import Any

from fastapi import APIRouter

from serve.routes.error_responses import problems
from serve.schemas import ModelDetails, ModelList
from serve.service import Answering

router = APIRouter(tags=["models"], responses=problems("model", is_protocol=True))


@router.get("/v2/models")
def list_models(service: Answering) -> ModelList:
    """List what is served: every version of every model that is ready."""
    return ModelList(models=[model.reply for model in service.models.ready])


@router.get("/v2/models/stats")
def all_statistics(service: Answering) -> dict[str, list[dict[str, Any]]]:
    """Count what all models did since they were loaded."""
    return {"model_stats": [model.statistics.report(model.name, model.version) for model in service.models.ready]}


@router.get("/v2/models/{name}")
@router.get("/v2/models/{name}/versions/{version}")
def describe_model(name: str, service: Answering, version: str | None = None) -> ModelDetails:
    """Describe a model: its labels, its inputs, how clips are made for it, and what it really runs on."""
    return service.models.get(name, version).details(service.models.versions(name))


@router.get("/v2/models/{name}/ready")
@router.get("/v2/models/{name}/versions/{version}/ready")
def model_ready(name: str, service: Answering, version: str | None = None) -> dict[str, bool | str]:
    """Answer 200 where the model takes clips: it is loaded, warm, and gave the right answer to a known clip."""
    service.check_ready()
    return {"name": service.models.get(name, version).name, "ready": True}


@router.get("/v2/models/{name}/stats")
@router.get("/v2/models/{name}/versions/{version}/stats")
def model_statistics(name: str, service: Answering, version: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """Count what a model did since it was loaded; durations are sums, in nanoseconds."""
    model = service.models.get(name, version)
    return {"model_stats": [model.statistics.report(model.name, model.version)]}
