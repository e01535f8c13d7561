"""What a client says and does about waiting: how long it will, and whether it is still there."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from serve.errors import GoneError, MalformedTimeoutError
from serve.observability.failures import log_failure

HEADER = "X-Request-Timeout"


def requested_timeout_s(request: Request, largest_s: float) -> float:
    """Return how many seconds a request may take: what its header asks for, at most `largest_s`; raises 400."""
    text = request.headers.get(HEADER)
    if text is None:
        return largest_s
    try:
        timeout_s = float(text)
    except ValueError:
        timeout_s = math.nan
    if not 0 < timeout_s < math.inf:
        detail = f"{HEADER}: {text!r} is no number of seconds above 0"
        raise MalformedTimeoutError(detail)
    return min(timeout_s, largest_s)


@asynccontextmanager
async def while_connected(request: Request) -> AsyncIterator[None]:
    """Cancel the block when the client closes the connection; its request must have been received whole."""
    task = asyncio.current_task()
    assert task is not None  # requests are answered in tasks
    is_gone = False

    async def watch() -> None:
        nonlocal is_gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        is_gone = True
        task.cancel()

    watcher = asyncio.create_task(watch(), name="the watch for a closed connection")
    watcher.add_done_callback(log_failure)
    try:
        yield
    except asyncio.CancelledError:
        if is_gone and task.uncancel() == 0:
            # Nobody reads it, but logs tell it apart from failures of the service.
            raise GoneError("the client has closed the connection") from None
        raise
    finally:
        watcher.cancel()
