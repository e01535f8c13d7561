"""The OpenAPI document: what FastAPI derives, with our problems in the place of its own."""

from typing import Any

from fastapi import FastAPI

from serve.http.access_control import is_public
from serve.open_inference.messages import InferRequest
from serve.schemas import Problem

_THEIRS = ("HTTPValidationError", "ValidationError")


_KEY = {"type": "http", "scheme": "bearer", "description": "a key of this service, which python -m serve.keys made"}


class DescribedApp(FastAPI):
    """An application whose document lists a form that is wrong as our 400, where FastAPI would have a 422.

    takes_keys: whether it is to say that a key is needed, and for what.
    """

    def __init__(self, *, takes_keys: bool, **settings: Any) -> None:
        super().__init__(**settings)
        self._takes_keys = takes_keys

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            document = super().openapi()
            operations = (operation for path in document["paths"].values() for operation in path.values())
            for responses in (operation["responses"] for operation in operations):
                if _THEIRS[0] in str(responses.get("422")):
                    del responses["422"]
            schemas = document["components"]["schemas"]
            for name in _THEIRS:
                schemas.pop(name, None)
            for model in (Problem, InferRequest):  # no signature has them
                described = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas |= described.pop("$defs", {}) | {model.__name__: described}
            document["components"]["schemas"] = schemas
            if self._takes_keys:
                document["components"]["securitySchemes"] = {"key": _KEY}
                for path, described_path in document["paths"].items():
                    for operation in described_path.values():
                        operation["security"] = [] if is_public(path) else [{"key": []}]
        return self.openapi_schema or {}
