"""Is it alive, is it ready, what is it (Open Inference Protocol), and how does it do."""

from importlib.metadata import version

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from serve.routes.error_responses import problems
from serve.schemas import ServerMetadata
from serve.service import Answering

router = APIRouter(tags=["about the service"], responses=problems("service", is_protocol=True))


@router.get("/v2")
def describe_service() -> ServerMetadata:
    """Say what this service is."""
    extensions = ["binary_tensor_data", "classification"]
    extensions += ["model_repository", "model_repository(unload_dependents)", "statistics"]
    return ServerMetadata(name="rgbd-motion", version=version("rgbd-motion"), extensions=extensions)


@router.get("/v2/health/live")
def live(service: Answering) -> dict[str, bool]:
    """Answer 200 as long as the process works: not when a part of it could not be kept running."""
    service.supervisor.check_alive()
    return {"live": True}


@router.get("/v2/health/ready")
def ready(service: Answering) -> dict[str, bool]:
    """Answer 200 while clips are taken and answered: not without a model, not while a part of the service has failed
    and is being started again, and not any more when the service is being stopped.
    """
    service.check_ready()
    service.models.check_any()
    return {"ready": True}


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(service: Answering) -> Response:
    """Tell Prometheus what happened so far."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
