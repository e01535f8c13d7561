"""HEAD is answered as GET is; the server leaves the body away."""

from starlette.types import ASGIApp, Receive, Scope, Send


class HeadAsGet:
    """Has every HEAD answered by what answers GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        await self._app({**scope, "method": "GET"} if is_head else scope, receive, send)
