"""What decoder processes send back: facts as JSON, pixels as bytes.

A file may have taken such a process over, so nothing that it sends may be code.
"""

import json
import math
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from rgbd.errors import MediaError
from serve.uploads.media_errors import media_error

Facts = TypeVar("Facts", bound=BaseModel)

_MAX_HEAD_BYTES = 64 << 20  # previews are in it
_MAX_PIXEL_BYTES = 4 << 30


@dataclass(frozen=True)
class DecoderReply(Generic[Facts]):
    """Facts, and arrays uint8 of any shape that belong to them."""

    facts: Facts
    arrays: list[NDArray[np.uint8]] = field(default_factory=list)


class _Head(BaseModel):
    error: str | None = None
    detail: str = ""
    facts: str = ""
    shapes: list[tuple[int, ...]] = []


def send_reply(pipe: Connection, reply: DecoderReply[Facts]) -> None:
    """Send facts and arrays."""
    head = _Head(facts=reply.facts.model_dump_json(), shapes=[array.shape for array in reply.arrays])
    pipe.send_bytes(head.model_dump_json().encode())
    for array in reply.arrays:
        pipe.send_bytes(np.ascontiguousarray(array).data.cast("B"))


def send_error(pipe: Connection, error: MediaError) -> None:
    """Send what is wrong with an upload."""
    pipe.send_bytes(json.dumps({"error": type(error).__name__, "detail": str(error)}).encode())


def receive_reply(pipe: Connection, kind: type[Facts]) -> DecoderReply[Facts]:
    """Return what was sent, its facts of this kind; raises the `MediaError` that was sent.

    Raises `ValueError` where it is nonsense, and `LookupError` for an error of an unknown kind.
    """
    head = _Head.model_validate_json(pipe.recv_bytes(_MAX_HEAD_BYTES))
    if head.error is not None:
        raise media_error(head.error, head.detail)
    if sum(map(math.prod, head.shapes)) > _MAX_PIXEL_BYTES:
        raise ValueError("more pixels than clips have")
    arrays = [np.empty(shape, np.uint8) for shape in head.shapes]
    for array in arrays:
        pipe.recv_bytes_into(array.data.cast("B"))
    return DecoderReply(kind.model_validate_json(head.facts), arrays)
