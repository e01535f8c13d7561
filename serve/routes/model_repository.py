"""Loading and unloading models while the service runs: the model repository of the Open Inference Protocol."""

from typing import Annotated

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict

from serve.routes.error_responses import problems
from serve.schemas import IndexEntry
from serve.service import Answering

# The protocol's clients do not say that what they send is JSON.
router = APIRouter(
    prefix="/v2/repository", tags=["models"], responses=problems("load", is_protocol=True), strict_content_type=False
)


class IndexQuery(BaseModel):
    """What the index shows."""

    ready: bool = False


class _UnloadParameters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    unload_dependents: bool = False  # clients send it; no model of ours depends on another


class Unload(BaseModel):
    """What may be asked of an unloading."""

    parameters: _UnloadParameters = _UnloadParameters()


class _NoParameters(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Load(BaseModel):
    """What may be asked of a loading: nothing, because a bundle says all there is to say."""

    parameters: _NoParameters = _NoParameters()


@router.post("/index")
def index(service: Answering, query: Annotated[IndexQuery | None, Body()] = None) -> list[IndexEntry]:
    """List every version of every model with its state; `ready` leaves out what does not answer."""
    entries = service.models.index()
    return [entry for entry in entries if entry.state == "READY"] if query and query.ready else entries


@router.post("/models/{name}/load")
async def load(name: str, service: Answering, _: Annotated[Load | None, Body()] = None) -> dict[str, str]:
    """Load a model, or what has changed of it; it answers when the new versions do. What they replace is answered."""
    await service.models.load(name)
    return {}


@router.post("/models/{name}/unload")
async def unload(name: str, service: Answering, _: Annotated[Unload | None, Body()] = None) -> dict[str, str]:
    """Take no more requests for a model; those at work are answered."""
    await service.models.unload(name)
    return {}
