"""The wire contract of `/live` as an AsyncAPI document, made of the types of its messages."""

from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serve.live.messages import ENCODINGS, HEADER, STREAMS, SUBPROTOCOL, End, Hello, ServerMessage

_FRAME = (
    f"{HEADER.size} bytes, little-endian: the stream (uint8: "
    f"{', '.join(f'{number} {name}' for number, name in enumerate(STREAMS))}), the encoding (uint8: "
    f"{', '.join(f'{number} {name}' for number, name in enumerate(ENCODINGS))}), 0 (uint16), the time stamp in "
    "microseconds (uint64); then the pixels"
)


def asyncapi(version: str) -> dict[str, Any]:
    """Return the document, for this version of the service."""
    said = get_args(ServerMessage)
    heard = (Hello, End)
    _, schemas = models_json_schema(
        [(kind, "validation" if kind in heard else "serialization") for kind in (*heard, *said)],
        ref_template="#/components/schemas/{model}",
    )
    messages = {kind.__name__: _message(kind) for kind in (*heard, *said)}
    messages["Frame"] = {"contentType": "application/octet-stream", "payload": {"type": "string"}, "summary": _FRAME}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "rgbd-motion, live streams", "version": version},
        "defaultContentType": "application/json",
        "channels": {
            "live": {
                "address": "/live",
                "bindings": {"ws": {"headers": {"properties": {"Sec-WebSocket-Protocol": {"const": SUBPROTOCOL}}}}},
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            }
        },
        "operations": {
            "send": _operation("receive", ["Hello", "Frame", "End"]),  # as the service sees it
            "hear": _operation("send", [kind.__name__ for kind in said]),
        },
        "components": {"messages": messages, "schemas": schemas["$defs"]},
    }


def _message(kind: type[BaseModel]) -> dict[str, Any]:
    summary = (kind.__doc__ or "").split("\n")[0]
    return {"payload": {"$ref": f"#/components/schemas/{kind.__name__}"}, "summary": summary}


def _operation(action: str, names: list[str]) -> dict[str, Any]:
    messages = [{"$ref": f"#/channels/live/messages/{name}"} for name in names]
    return {"action": action, "channel": {"$ref": "#/channels/live"}, "messages": messages}
