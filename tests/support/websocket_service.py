"""`python -m tests.support.websocket_service`: the service, with a WebSocket at /echo that says what it hears."""

from fastapi import FastAPI, WebSocket

from rgbd.terminal import run_command
from serve import __main__ as command
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
            await websocket.send_text(text)

    return app


if __name__ == "__main__":
    command.create_app = with_echo
    run_command(command.main)
