"""Sends traces to an OpenTelemetry collector; needs the extra `otel`."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


@contextmanager
def exported_traces(endpoint: str) -> Iterator[None]:
    """Send what is traced in the block to a collector (OTLP over HTTP), the rest of it at the block's end."""
    provider = TracerProvider(resource=Resource.create({"service.name": "rgbd-motion"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()
