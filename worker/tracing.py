"""OpenTelemetry traces: from the upload event, through ingest and worker, to the webhook.

The trace travels in the CloudEvents extension `traceparent`, and through the database between the processes. It is
written when the extra `retake[otel]` is installed and OTEL_EXPORTER_OTLP_ENDPOINT says where to; the other OTEL_
variables (sampler, headers, resource attributes) mean what OpenTelemetry's specification says.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from tasks.stages import Stages
from worker.settings import SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class Tracing:
    """Writes a span for each step and stage, around whoever else watches them."""

    def __init__(self, inner: Stages, provider: "TracerProvider") -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self._inner = inner
        self._tracer = provider.get_tracer("retake")
        self._wire = TraceContextTextMapPropagator()

    @contextmanager
    def join(self, name: str, traceparent: str | None) -> Iterator[str | None]:
        """Write a span as part of the event's trace, or of a new one; hand the span's own traceparent on."""
        from opentelemetry.context import Context  # noqa: PLC0415

        sender = self._wire.extract({"traceparent": traceparent} if traceparent else {}, context=Context())
        with self._inner.join(name, traceparent), self._tracer.start_as_current_span(name, context=sender):
            carrier: dict[str, str] = {}
            self._wire.inject(carrier)
            yield carrier["traceparent"]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Write a span below the one under way."""
        with self._inner.stage(name), self._tracer.start_as_current_span(name):
            yield


def traced(inner: Stages, service: str) -> Stages:
    """Trace what `inner` watches, if OTEL_EXPORTER_OTLP_ENDPOINT asks for it. Call it after the fork.

    Raises:
        SettingsError: it is asked for, but the extra is not installed.
    """
    if not os.environ.get(ENDPOINT):
        return inner
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.exporter") is None:
        raise SettingsError(f"{ENDPOINT}: tracing needs pip install 'retake[otel]'")
    return Tracing(inner, _make_provider(service))


def _make_provider(service: str) -> "TracerProvider":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", service)}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
