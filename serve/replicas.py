"""Replicas on a Ray cluster: Ray Serve starts them, sends requests to them, and replaces those that are lost."""

import asyncio
import logging
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import ray
from fastapi import FastAPI
from ray import serve as ray_serve
from ray.exceptions import RayActorError
from ray.serve.schema import DeploymentStatusOverview
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from export.runtimes.devices import kind_of
from rgbd.errors import ConfigError, UserError
from rgbd.interrupt import noted, raise_on_sigterm
from rgbd.ray_cluster import connected
from serve.http.asgi_messages import begun_status
from serve.observability.logs import set_up_logging
from serve.service import Service
from serve.settings import Settings
from serve.startup import address_of, exported_traces, ready_app

NAME = "rgbd-motion"
"""What Ray calls the application."""

_log = logging.getLogger("serve")

_LOOK_S = 1.0  # how often the state of the replicas is asked for
# Three failures in a row have a replica replaced: a worker that is started again after 5 s has none in between.
_HEALTH_PERIOD_S = 3.0
_FAREWELL_S = 5.0  # after drain_s, for those to whom it is said that there will be no answer
_EASY_REQUESTS = 16  # such as those for health and metrics, which no limit of the service counts


class _StopSignal:
    """Tells replicas that the service stops; Ray only sends them no more requests, and ends them later.

    It is an actor, which all of them wait for.
    """

    def __init__(self) -> None:
        self._has_come = asyncio.Event()

    async def send(self) -> None:
        self._has_come.set()

    async def wait(self) -> None:
        await self._has_come.wait()


class _RequestIdOfRay:
    """Leaves X-Request-ID out of answers: Ray gives requests an id that have none, and answers with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""

        async def send_without_id(message: Message) -> None:
            if begun_status(message) is not None:
                message["headers"] = [header for header in message["headers"] if header[0].lower() != b"x-request-id"]
            await send(message)

        await self._app(scope, receive, send_without_id)


@ray_serve.ingress()
class Replica:
    """One process of the service, which does what `python -m serve` does, without listening itself."""

    def __init__(self, settings: Settings, stop_signal: Any) -> None:
        self._settings, self._stop_signal, self._until_stopped = settings, stop_signal, ExitStack()
        self._until_stopped.enter_context(exported_traces(settings.otlp_endpoint))

    async def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the application, for which Ray keeps its lifespan."""
        app = ready_app(self._settings)
        app.add_middleware(_RequestIdOfRay)
        self._service: Service = app.state.service
        self._draining = asyncio.create_task(self._drain_when_told())
        return app

    async def _drain_when_told(self) -> None:
        with suppress(RayActorError):  # the command was killed, and the replicas go on without it
            await self._stop_signal.wait.remote()
            self._service.admission.drain(self._settings.drain_s)

    def check_health(self) -> None:
        """Raise where /v2/health/ready would not answer 200: Ray, which sends requests all the same, replaces it."""
        self._service.check_ready()
        self._service.models.check_any()

    def __del__(self) -> None:
        """Ray calls this after the last answer."""
        self._until_stopped.close()


def serve_replicas(settings: Settings, num_replicas: int, address: str | None) -> int:
    """Serve with so many replicas until Ctrl-C or SIGTERM, and then until the requests at work have ended; returns 0.

    Every machine of the cluster needs rgbd-motion, and the files that the settings name at the same paths. Raises
    `UserError` where there is no cluster, where it serves something already, or where the replicas cannot start.
    """
    if settings.port == 0:
        raise ConfigError("port 0: all machines of a Ray cluster listen on the same port; name one")
    set_up_logging(settings.log_format)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    with connected(address):
        raise_on_sigterm()  # Ray has put a handler of its own in its place
        if others := ray_serve.status().applications:
            raise UserError(f"the Ray cluster serves already ({', '.join(others)}); end that, or take another cluster")
        ray_serve.shutdown()  # where somebody has ended what it served, it goes on to listen, perhaps on another port
        stop_signal = _stop_signal()
        try:
            _listen(settings)
            _deploy(_application(settings, num_replicas, stop_signal))
            page = address_of(settings.host, settings.port)
            _log.info("open %s, on each machine with a replica; Ctrl-C stops", page)
            _watch()
        finally:
            _stop(stop_signal)
    return 0


def _stop_signal() -> Any:
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(num_cpus=0)(_StopSignal)  # Ray's types lose the class's
    return actor.options(scheduling_strategy=here).remote()  # here, because it would be lost with another machine


def _listen(settings: Settings) -> None:
    """Have each machine that gets a replica listen; raises `UserError` where the first one cannot."""
    try:
        ray_serve.start("EveryNode", {"host": settings.host, "port": settings.port})
    except RayActorError as error:
        raise UserError(f"{address_of(settings.host, settings.port)} cannot be listened on; choose another") from error


def _application(settings: Settings, num_replicas: int, stop_signal: Any) -> ray_serve.Application:
    """Return what Ray deploys, with the settings that belong to its part of the work."""
    paths = {name: value.absolute() for name, value in settings if isinstance(value, Path)}
    max_held = settings.max_uploads + settings.max_requests + _EASY_REQUESTS
    deployment = ray_serve.deployment(
        num_replicas=num_replicas,
        ray_actor_options={"num_gpus": len(settings.devices) if kind_of(settings.device) == "cuda" else 0},
        max_ongoing_requests=max_held,  # so many that the service itself refuses what is too much, and says why
        max_queued_requests=max_held,  # where all replicas hold as many
        health_check_period_s=_HEALTH_PERIOD_S,
        graceful_shutdown_timeout_s=settings.drain_s + _FAREWELL_S,
    )(Replica)
    return deployment.bind(settings.model_copy(update=paths), stop_signal)


def _deploy(application: ray_serve.Application) -> None:
    """Return when all replicas are ready; raises `UserError` where one cannot be."""
    try:
        ray_serve.run(application, name=NAME)
    except RuntimeError as error:
        *_, reason = (_deployment_status().message or str(error)).strip().splitlines()  # below a traceback
        raise UserError(f"the replicas cannot be started: {reason}") from error


def _watch() -> None:
    """Log what becomes of the replicas until a signal comes."""
    logged = None
    with noted(second_ends=True) as signal:
        while not signal():
            numbers = _deployment_status().replica_states
            states = ", ".join(f"{number} {state.lower()}" for state, number in numbers.items())
            if states != logged:
                _log.info("replicas: %s", states)
                logged = states
            time.sleep(_LOOK_S)


def _deployment_status() -> DeploymentStatusOverview:
    return ray_serve.status().applications[NAME].deployments[Replica.__name__]


def _stop(signal: Any) -> None:
    """Send no more requests to the replicas, and return when they have ended."""
    ray.get(signal.send.remote())
    ray_serve.delete(NAME, _blocking=False)
    while NAME in ray_serve.status().applications:
        time.sleep(_LOOK_S)
    ray_serve.shutdown()
