"""Parameters of an address and parts of a form that nobody asks for are refused: passed over, they would mislead."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, get_args

from starlette.datastructures import UploadFile
from starlette.requests import HTTPConnection, Request

from rgbd.nearest_name import nearest_name
from rgbd.types import Stream
from serve.errors import MalformedRequestError
from serve.schemas import ClipMeta

_FILES = get_args(Stream)
_SEVERAL = "recording"  # a part of which there may be one for each stream
_META = "meta"
_PROBED = ("/v2/health/", "/metrics")


async def check_names(connection: HTTPConnection) -> None:
    """Raise 400 where a request has a parameter, or a part of a form, that its route does not know, or has one twice.

    What a route knows is what the OpenAPI document says; routes that are not in it, such as pages, take any parameters.
    So do those for probes and scrapers, which add some of their own, and must not find the service ill for that.
    """
    check_parameters(connection)
    if isinstance(connection, Request) and (parts := _known_parts(connection)):
        _check_parts((await connection.form()).multi_items(), parts, _places(connection))


def check_parameters(connection: HTTPConnection) -> None:
    """Do the same for the parameters alone: no body is read."""
    if not connection.query_params or connection.scope["route"].path_format.startswith(_PROBED):
        return
    if not (operation := _operation(connection)):
        return
    known, places = _known_parameters(operation), _places(connection)
    for name, count in Counter(name for name, _ in connection.query_params.multi_items()).items():
        if name not in known:
            raise MalformedRequestError(_unknown(name, "parameter of this address", places, known))
        if count > 1:
            raise MalformedRequestError(f"{name!r}: was given twice")


def whole_form(connection: HTTPConnection) -> str:
    """Return in words what the form of an operation takes."""
    fields = [name for name in _known_parts(connection) if name not in _FILES]
    also = f", and {' and '.join(fields)}, fields" if fields else ""
    return f"the form takes {' and '.join(_FILES)}, each one file{also}; the frames of a stream go into one zip"


def _operation(connection: HTTPConnection) -> Mapping[str, Any]:
    """Return what the OpenAPI document says of the operation that is asked for; nothing where it is not in it."""
    scope = connection.scope
    path: Mapping[str, Any] = connection.app.openapi()["paths"].get(scope["route"].path_format, {})
    operation: Mapping[str, Any] = path.get(scope.get("method", "GET").lower(), {})
    return operation


def _known_parameters(operation: Mapping[str, Any]) -> list[str]:
    return [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"]


def _known_parts(connection: HTTPConnection) -> list[str]:
    """Return the parts of an operation's form; none where it takes no form."""
    content = _operation(connection).get("requestBody", {}).get("content", {}).get("multipart/form-data")
    if content is None:
        return []
    schemas: Mapping[str, Any] = connection.app.openapi()["components"]["schemas"]
    return list(schemas[content["schema"]["$ref"].rpartition("/")[2]]["properties"])


def _places(connection: HTTPConnection) -> dict[str, str]:
    """Return how each thing that an operation may be told is given."""
    parts = _known_parts(connection)
    places = {name: f"?{name}=" for name in _known_parameters(_operation(connection))}
    if _META in parts:
        places |= {name: f"{name} in {_META}, a part of the form" for name in ClipMeta.model_fields}
    return places | {name: f"{name}, a part of the form" for name in parts}


def _check_parts(
    parts: Iterable[tuple[str, UploadFile | str]], known: Collection[str], places: Mapping[str, str]
) -> None:
    seen = set()
    for name, value in parts:
        if name not in known:
            raise MalformedRequestError(_unknown(name, "part of the form", places, known))
        if name not in _FILES and isinstance(value, UploadFile):
            raise MalformedRequestError(f"{name}: was sent as a file, and is a field; with curl: -F '{name}=<FILE'")
        if name in _FILES and not isinstance(value, UploadFile):
            raise MalformedRequestError(f"{name}: was sent as text, and is a file; with curl: -F {name}=@FILE")
        if name in seen and name != _SEVERAL:
            raise MalformedRequestError(f"{name}: was sent twice; the frames of a stream go into one zip")
        seen.add(name)


def _unknown(name: str, what: str, places: Mapping[str, str], known: Iterable[str]) -> str:
    near = nearest_name(name, places)
    listed = ", ".join(known)
    there_are = f"there are {listed}" if listed else "there is none"
    return f"{name!r}: no {what} is called so; {there_are if near is None else f'did you mean {places[near]}?'}"
