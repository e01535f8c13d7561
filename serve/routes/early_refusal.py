"""Routes that are refused before their body is read where that can be told: FastAPI reads forms before all else."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from serve.errors import MalformedRequestError
from serve.routes.known_names import check_parameters, whole_form
from serve.service import get_service


class RefusedEarly(APIRoute):
    """A route that checks what it can before it reads a form."""

    def check(self, request: Request) -> None:
        """Raise 503 when the service is being stopped, and 400 for parameters that are not known."""
        get_service(request).admission.check_open()
        check_parameters(request)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request; raises as `check` does."""
        answer = super().get_route_handler()

        async def check_first(request: Request) -> Response:
            self.check(request)
            try:
                return await answer(request)
            except HTTPException as error:
                if isinstance(error.__context__, MultiPartException) and error.detail.startswith("Too many"):
                    detail = f"there are more parts than that: {whole_form(request)}"
                    raise MalformedRequestError(detail) from error
                raise

        return check_first


class ClipRoute(RefusedEarly):
    """A route that asks a model about a clip."""

    def check(self, request: Request) -> None:
        """Raise as `AdmissionControl.check_room` and `Repository.get` do, and 400 for parameters that are not known."""
        service, query = get_service(request), request.query_params
        service.admission.check_room()
        check_parameters(request)
        service.models.get(query.get("model"), query.get("version"))
