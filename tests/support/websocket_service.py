"""`python -m tests.support.websocket_service`: the service, with a WebSocket at /echo that says what it hears."""

import asyncio

from fastapi import FastAPI, WebSocket

from rgbd.terminal import run_command
from serve import startup
from serve.__main__ import main
from serve.app import create_app
from serve.errors import UnknownModelError, UnusableClipError
from serve.inference.repository import Repository
from serve.settings import Settings


def with_echo(models: Repository, settings: Settings) -> FastAPI:
    """Return the service's application with one more route, which knows nothing of keys, limits and logs."""
    app = create_app(models, settings)

    @app.websocket("/echo")
    async def echo(websocket: WebSocket, model: str = "tiny") -> None:
        if model != "tiny":
            raise UnknownModelError(f"there is no model {model!r}")
        await websocket.accept()
        while True:
            text = await websocket.receive_text()
            if text == "refuse":
                raise UnusableClipError("nothing moves in it")
            if text == "fail":
                raise ZeroDivisionError("it counts wrongly")
            if text == "tidy up":
                await _tidied_up(websocket)
            await websocket.send_text(text)

    return app


async def _tidied_up(websocket: WebSocket) -> None:
    """Wait, and take half a second to end when told to."""
    try:
        await websocket.receive()
    except asyncio.CancelledError:
        await asyncio.sleep(0.5)
        raise


if __name__ == "__main__":
    startup.create_app = with_echo
    run_command(main)
