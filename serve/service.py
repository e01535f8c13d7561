"""What the routes share: the models, who is let in, the queue, and the decoder processes."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated

import psutil
from fastapi import Depends
from fastapi.requests import HTTPConnection

from export.predictor.clip_request import ClipRequest
from export.predictor.decoded_clip import ClipFacts
from rgbd.errors import MediaError, UserError, reason_of
from rgbd.recording.limits import Limits
from rgbd.scratch import scratch_folder
from serve.concurrency.supervisor import Supervisor
from serve.errors import ServiceError
from serve.inference.admission import Admission, AdmissionControl
from serve.inference.batch_observer import BatchObserver
from serve.inference.batching import Batcher, Clips, Inferred
from serve.inference.repository import Repository
from serve.live.places import Places
from serve.live.sessions import LiveSessions
from serve.observability.metrics import Metrics
from serve.observability.tracing import tracer
from serve.settings import Settings
from serve.uploads.clip_decoding import decode_clip, tiny_request
from serve.uploads.decoder_processes import Decoders
from serve.uploads.ipc import DecoderReply, Facts
from serve.uploads.kept_recordings import KeptRecordings
from serve.uploads.media_errors import refusal_of


class Service:
    """Models, ready to answer."""

    def __init__(self, models: Repository, settings: Settings) -> None:
        self.models, self.settings = models, settings
        self.limits = Limits(settings.max_frames, settings.max_pixels, settings.max_duration_s, any_container=False)
        self.metrics = Metrics(lambda: [model.reply for model in models.ready], settings.max_batch)
        self._decoders = Decoders(settings.num_decoders, settings.decoder_memory_mb, settings.decoder_cpu_s)
        self.places = Places(settings.max_live, settings.decoder_memory_mb, settings.decoder_cpu_s)
        self.live = LiveSessions(self.places, self.limits)
        self.recordings = KeptRecordings(settings.kept_mb << 20, settings.kept_s)
        observer = BatchObserver(self.metrics.count_batch)
        self._batcher = Batcher(settings.max_batch, settings.max_delay_ms / 1000, observer, len(settings.devices))
        self.admission = AdmissionControl(settings.max_requests, settings.deadline_s, self._batcher.expected_s)
        self.supervisor = Supervisor(self.metrics.count_failure, on_give_up=lambda: self.admission.drain(0.0))
        self._started_at = time.monotonic()
        self.metrics.watch("requests_in_flight", "Requests at work or waiting.", lambda: self.admission.num_requests)
        self.metrics.watch("queue_clips", "Clips that wait for the network.", lambda: self.num_waiting)
        self.metrics.watch("live_streams", "Live streams and time lines at work.", lambda: self.places.num_taken)
        self.metrics.watch("kept_bytes", "Of recordings kept for further requests.", lambda: self.recordings.num_bytes)
        self.metrics.watch("max_requests", "As many may be at work or waiting.", lambda: settings.max_requests)
        self.metrics.watch("deadline_seconds", "For one request, until its answer.", lambda: settings.deadline_s)

    def try_decoder(self) -> None:
        """Decode a tiny clip in a process that later does so for requests; raises `UserError` where that fails.

        To be called before `running`.
        """
        try:
            with scratch_folder() as folder:
                self._decoders.try_one(decode_clip, ClipFacts, tiny_request(folder))
        except (MediaError, ServiceError, OSError, RuntimeError) as error:
            reason = error.detail if isinstance(error, ServiceError) else reason_of(error)
            raise UserError(
                f"no clip can be decoded ({reason}); what the decoder process wrote stands above; where memory is what "
                f"it lacks, raise --decoder-memory-mb, which is {self.settings.decoder_memory_mb}"
            ) from error

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while the block runs."""
        networks = [f"network on {device}" for device in self.settings.devices]
        workers = dict.fromkeys(networks if len(networks) > 1 else ["network"], self._batcher.run)
        workers |= {f"decoder {number}": self._decoders.keep_ready for number in range(self.settings.num_decoders)}
        self.metrics.expect_failures(workers)
        self._decoders.start()
        try:
            async with self.supervisor.running(workers):
                yield
        finally:
            self._decoders.close()
            self.places.close()
            self.recordings.close()

    @property
    def uptime_s(self) -> float:
        """For how long there has been this service."""
        return time.monotonic() - self._started_at

    @property
    def num_waiting(self) -> int:
        """Clips that wait for the network."""
        return self._batcher.num_waiting

    @property
    def memory_mb(self) -> int:
        """MiB of the process, without its decoders."""
        return psutil.Process().memory_info().rss >> 20

    def check_ready(self) -> None:
        """Raise 503 when no new request is taken, or none would be answered at the moment."""
        self.supervisor.check_working()
        self.admission.check_open()

    async def decode(
        self, function: Callable[[ClipRequest], DecoderReply[Facts]], kind: type[Facts], request: ClipRequest
    ) -> DecoderReply[Facts]:
        """Return `function(request)` from a decoder process; what is wrong with the upload becomes a `ServiceError`."""
        try:
            with tracer.start_as_current_span("decode"):
                return await self._decoders.run(function, kind, request)
        except MediaError as error:
            raise refusal_of(error) from error

    async def infer(self, admission: Admission, clips: Clips) -> Inferred:
        """Return the model's answer to one clip of a request; raises `TooLateError` when it cannot come in time."""
        model = admission.model
        admission.num_clips -= 1  # from here on the queue knows of it
        with tracer.start_as_current_span("infer", attributes={"model": model.name, "version": model.version}) as span:
            inferred = await self._batcher.infer(model, clips, admission.deadline)
            span.set_attributes({"queue_ms": inferred.queue_ms, "inference_ms": inferred.inference_ms})
        return inferred


def get_service(connection: HTTPConnection) -> Service:
    """Return the service that answers a request or a WebSocket."""
    service: Service = connection.app.state.service
    return service


def key_name(connection: HTTPConnection) -> str | None:
    """Return the name of the key that a request came with; None where the service has no keys."""
    name: str | None = getattr(connection.state, "key_name", None)
    return name


Answering = Annotated[Service, Depends(get_service)]
"""The service, as an argument of a route."""
