"""How the service does, for its operator: `/admin/status` is a page, `/admin/state` what it shows."""

from importlib.metadata import version
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from serve.routes.error_responses import problems
from serve.schemas import AdminModel, AdminState
from serve.service import Answering

router = APIRouter(tags=["about the service"])

_PAGE = Path(__file__).parent.parent / "static" / "status.html"


@router.get("/admin/status", include_in_schema=False)
def status_page() -> FileResponse:
    """Show the state in a browser."""
    return FileResponse(_PAGE)


@router.get("/admin/state", responses=problems("admin"))
def state(service: Answering) -> AdminState:
    """Say what the service does, what it did so far, and how it was set up."""
    ready = {(model.name, model.version): model for model in service.models.ready}
    models = []
    for entry in service.models.index():
        model = ready.get((entry.name, entry.version))
        facts = {} if model is None else model.reply.model_dump() | model.statistics.summary()
        models.append(AdminModel(**(entry.model_dump() | facts)))
    return AdminState(
        version=version("rgbd-motion"),
        uptime_s=service.uptime_s,
        draining=service.admission.is_draining,
        in_flight=service.admission.num_requests,
        queue_clips=service.num_waiting,
        memory_mb=service.memory_mb,
        settings=service.settings.shown(),
        refusals=service.metrics.refusals,
        models=models,
    )
