"""The HTTP application around the models."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from serve.http.access_control import AccessControl
from serve.http.head_requests import HeadAsGet
from serve.http.problems import install_error_handlers
from serve.http.request_context import RequestContext
from serve.http.request_log import RequestLog
from serve.http.websocket_admission import WebSocketAdmission
from serve.inference.repository import Repository
from serve.keys import KeyRing
from serve.routes import (
    admin,
    explain,
    health,
    infer,
    live,
    model_repository,
    predict,
    preview,
    recordings,
    reference,
    timeline,
)
from serve.routes import models as descriptions
from serve.routes.known_names import check_names
from serve.routes.openapi import DescribedApp
from serve.service import Service
from serve.settings import Settings

_STATIC = Path(__file__).parent / "static"


def create_app(models: Repository, settings: Settings) -> FastAPI:
    """Return the application that serves `models`; its `state.service` is what does the work."""
    service = Service(models, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = DescribedApp(
        title="rgbd-motion",
        version=version("rgbd-motion"),
        description="Names the motion that an RGB-D clip shows.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's come from a public address
        redoc_url=None,
        takes_keys=settings.api_keys is not None,
        dependencies=[Depends(check_names)],
        # As many as there are, and a few to be refused by their names: each takes memory while it arrives.
        form_limits={"max_files": 4, "max_fields": 4},
    )
    app.state.service = service
    keys = KeyRing(settings.api_keys) if settings.api_keys else None
    app.add_middleware(HeadAsGet)
    app.add_middleware(WebSocketAdmission, admit=service.admission.connection)
    app.add_middleware(AccessControl, keys=keys, settings=settings)
    app.add_middleware(CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["*"], allow_headers=["*"])
    app.add_middleware(RequestLog)
    app.add_middleware(RequestContext, settings=settings)
    install_error_handlers(app)
    of_clips, of_models = (
        (predict, timeline, explain, preview, recordings, live),
        (descriptions, infer, model_repository),
    )
    for routes in (*of_clips, *of_models, health, admin, reference):
        app.include_router(routes.router)
    app.mount(f"/{reference.VIEWER}", StaticFiles(packages=[("fastapi_offline", "static")]), name="viewer")
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(_STATIC / "index.html")

    @app.get("/live", include_in_schema=False)
    def live_page() -> FileResponse:
        return FileResponse(_STATIC / "live.html")

    return app
