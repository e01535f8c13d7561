"""Traces of requests: FastAPI makes their spans, and here the work gets its own, and the log the trace's id.

Without an exporter (`otlp_endpoint`) no span is made; the trace of `traceparent` is carried on all the same.
"""

from opentelemetry import trace
from opentelemetry.propagate import extract, inject
from starlette.datastructures import Headers

tracer = trace.get_tracer("serve")
"""`with tracer.start_as_current_span("decode"):` makes a part of a request's work a part of its trace."""


class RequestTrace:
    """The trace that a request belongs to, if any."""

    def __init__(self, headers: Headers) -> None:
        is_traced = trace.get_current_span().get_span_context().is_valid
        self._context = None if is_traced else extract(headers)

    @property
    def headers(self) -> dict[str, str]:
        """The `traceparent` that carries it on."""
        carrier: dict[str, str] = {}
        inject(carrier, self._context)
        return carrier

    @property
    def id(self) -> str | None:
        """Its number, as logs and collectors show it."""
        span = trace.get_current_span(self._context).get_span_context()
        return trace.format_trace_id(span.trace_id) if span.is_valid else None
