"""What the service answers, as lines: its addresses, what they take and give, the words of its errors, its metrics."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from prometheus_client.parser import text_string_to_metric_families

from serve.routes.error_responses import problems
from tests.support.schema_lines import Schema, described, field_lines, type_of


def address_lines(app: FastAPI) -> Iterator[str]:
    """Yield all addresses, and parameters, bodies and answers of those in the OpenAPI document."""
    for route in iter_route_contexts(app.routes):
        yield from (f"{method} {route.path}" for method in route.methods or ["*"])
    document = app.openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield from _operation(f"{method.upper()} {path}", operation, document)


def _operation(name: str, operation: Schema, document: Schema) -> Iterator[str]:
    for parameter in operation.get("parameters", ()):
        value = described(parameter["schema"], document, is_required=parameter["required"])
        yield f"{name} {parameter['in']} {parameter['name']} {value}"
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        yield from _content(f"{name} body {kind}", content, document)
    yield from (f"{name} {error}" for error in _errors(operation))
    for status, answer in operation["responses"].items():
        for kind, content in answer.get("content", {}).items():
            is_problem = kind == "application/problem+json"  # those are all of the same form
            yield from _content(kind if is_problem else f"{name} {status} {kind}", content, document)


def _content(name: str, content: Schema, document: Schema) -> Iterator[str]:
    schema = content.get("schema", {})
    yield f"{name} {type_of(schema, document)}"
    yield from (f"{name} {field}" for field in field_lines(schema, document))


def _errors(operation: Schema) -> Iterator[str]:
    for status, answer in operation["responses"].items():
        for content in answer.get("content", {}).values():
            yield from (f"{status} {word}" for word in content.get("examples", ()))


def error_lines(app: FastAPI, clips: Mapping[str, Any]) -> Iterator[str]:
    """Yield status and word of each error; `clips` is what `POST /v2/models/tiny/infer` takes."""
    for operations in app.openapi()["paths"].values():
        for operation in operations.values():
            yield from _errors(operation)
    yield from _errors({"responses": problems("live")})  # those that end a WebSocket
    # What no operation promises: there is no such address, or not for this method, or nobody waits for the answer.
    for method, path in (("GET", "/nowhere"), ("PUT", "/predict"), ("POST", "/v2/models/tiny/infer")):
        status, answer = _ask(app, method, path, json.dumps(clips).encode())
        yield f"{status} {json.loads(answer)['error'].split(':')[0]}"


def metric_lines(app: FastAPI, labels: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Yield name, labels and kind of each metric; `labels` has those that show only once something was counted."""
    for family in text_string_to_metric_families(_ask(app, "GET", "/metrics")[1].decode()):
        if not family.name.endswith("_created"):  # the library adds that to what has been counted
            names = labels[family.name] if family.name in labels else family.samples[0].labels
            suffix = "_total" if family.type == "counter" else ""
            yield f"{family.name}{suffix}{{{', '.join(names)}}} {family.type}"


def _ask(app: FastAPI, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Return status and body of the answer to a client that asks and closes the connection."""
    received = iter([{"type": "http.request", "body": body}])
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return next(received, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b""}
    asyncio.run(app(scope | {"headers": [(b"host", b"localhost")]}, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)
